/* What the name space, the file systems and mappings know of a file. */
#ifndef FS_H
#define FS_H
#include "kernel.h"

enum { S_IFCHR = 0020000, S_IFDIR = 0040000, S_IFREG = 0100000, S_IFMT = 0170000 };
#define NAME_MAX 47

struct inode;
struct inode_ops {
	int (*lookup)(struct inode *dir, const char *name, u32 len);   /* an inode number, or a negative error */
	int (*create)(struct inode *dir, const char *name, u32 len, u32 mode);   /* likewise: the new one's */
	int (*unlink)(struct inode *dir, const char *name, u32 len);   /* the entry goes, and a link */
	int (*load)(struct inode *i);
	int (*store)(struct inode *i);
	int (*read)(struct inode *i, u32 pos, void *buf, u32 n);
	int (*write)(struct inode *i, u32 pos, const void *buf, u32 n);
	int (*truncate)(struct inode *i);          /* to nothing */
	void (*free)(struct inode *i);             /* no link and no user is left */
	int (*page)(struct inode *i, u32 index);   /* a held frame with these contents, 0 for a hole, or a negative error */
	int (*sync)(struct inode *i);
};
struct inode {
	const struct inode_ops *ops;
	const struct file_ops *files;
	struct inode *chain;
	u32 ino, refs, used, dirty;
	u16 mode, links;
	u32 size, sectors, time, block[15];
	const u8 *image;                          /* the contents, when they are part of the kernel's image */
};
struct dentry {
	struct dentry *parent, *chain;
	struct inode *inode;                      /* NULL: there is no such file */
	u32 hash, refs, used;
	u8 len, unlinked;
	char name[NAME_MAX + 1];
};

/* inode.c: the cache of inodes, and the kernel's own files */
struct inode *inode_get(const struct inode_ops *ops, u32 ino, int *err);   /* held */
void inode_hold(struct inode *i);
void inode_put(struct inode *i);
int inodes_store(void);
struct inode *ram_inode(u32 mode, const struct file_ops *files, const u8 *image, u32 size);
extern const struct inode_ops ram_ops;

/* dcache.c: the cache of names, and the walk along a path */
int dcache_init(struct inode *root);
struct dentry *dentry_pin(struct dentry *parent, const char *name, struct inode *i);
int path_walk(const char *path, struct dentry **found);                  /* held; -ENOENT when the last is negative */
int path_walk_parent(const char *path, struct dentry **dir, const char **last, u32 *len);
int dentry_child(struct dentry *dir, const char *name, u32 len, struct dentry **found);   /* held; may be negative */
void dentry_put(struct dentry *d);
void dentry_gone(struct dentry *d);

extern const struct file_ops regular_ops;     /* namei.c */
int fs_lock(void);
void fs_unlock(int *unused);
#define FS_LOCKED int locked __attribute__((cleanup(fs_unlock), unused)) = fs_lock()

/* ext2.c */
int ext2_mount(struct inode **root);
extern const struct inode_ops ext2_ops;
#endif
