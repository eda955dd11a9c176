/* Between the two halves of the file system. */
#ifndef EXT2_H
#define EXT2_H
#include "fs.h"
#define EXT2_ROOT 2u
void ext2_touch(struct inode *i);
u8 *ext2_block(struct inode *dir, u32 index, u32 *block);
int ext2_read(struct inode *i, u32 pos, void *buf, u32 n);
int ext2_write(struct inode *i, u32 pos, const void *buf, u32 n);
int ext2_new_inode(u32 mode);
int ext2_lookup(struct inode *dir, const char *name, u32 len);
int ext2_create(struct inode *dir, const char *name, u32 len, u32 mode);
int ext2_unlink(struct inode *dir, const char *name, u32 len);
void ext2_empty_directory(u8 *block, u32 self, u32 parent);
#endif
