/* Directories of the file system: entries of any length in blocks that they fill completely. */
#include "ext2.h"

struct entry { u32 ino; u16 length; u8 name_length, type; char name[]; };
enum { TYPE_FILE = 1, TYPE_DIRECTORY = 2 };
#define NEEDS(len) ((8u + (len) + 3) & ~3u)

/* Where an entry is: its block, and the entry before it in there. */
struct place { u32 block; struct entry *entry, *before; };

/* Inline, as i386 compilers do it for a kernel: a call for every entry would be most of a search. */
static inline int same(const char *a, const char *b, u32 n)
{
	u8 equal;
	asm("cmp %%eax, %%eax; repe; cmpsb; sete %0" : "=a"(equal), "+S"(a), "+D"(b), "+c"(n) : : "memory", "cc");
	return equal;
}

static int find(struct inode *dir, const char *name, u32 len, struct place *p)
{
	for (u32 index = 0; index < dir->size / PAGE; index++) {
		u8 *data = ext2_block(dir, index, &p->block);
		if (!data) return -EIO;
		p->before = NULL;
		for (u8 *at = data; at < data + PAGE; at += p->entry->length) {
			p->entry = (struct entry *)at;
			if (p->entry->length < 8 || at + p->entry->length > data + PAGE) return -EIO;
			if (p->entry->ino && p->entry->name_length == len && same(p->entry->name, name, len)) return p->entry->ino;
			p->before = p->entry;
		}
	}
	return -ENOENT;
}

int ext2_lookup(struct inode *dir, const char *name, u32 len)
{
	struct place p;
	return find(dir, name, len, &p);
}

void ext2_empty_directory(u8 *block, u32 self, u32 parent)
{
	struct entry *dot = (struct entry *)block, *dots = (struct entry *)(block + NEEDS(1));
	*dot = (struct entry){ self, NEEDS(1), 1, TYPE_DIRECTORY };
	dot->name[0] = '.';
	*dots = (struct entry){ parent, PAGE - NEEDS(1), 2, TYPE_DIRECTORY };
	dots->name[0] = dots->name[1] = '.';
}

/* The first room for a name; a block more when there is none. */
static struct entry *room(struct inode *dir, u32 need, u32 *block)
{
	u8 *data;
	for (u32 index = 0; index < dir->size / PAGE; index++) {
		if (!(data = ext2_block(dir, index, block))) return NULL;
		for (u8 *at = data; at < data + PAGE; at += ((struct entry *)at)->length) {
			struct entry *e = (struct entry *)at;
			u32 used = e->ino ? NEEDS(e->name_length) : 0;
			if (e->length < 8) return NULL;
			if (e->length - used < need) continue;
			struct entry *made = (struct entry *)(at + used);
			u32 length = e->length - used;
			if (used) e->length = used;
			made->length = length;
			return made;
		}
	}
	struct entry whole = { 0, PAGE };
	if (ext2_write(dir, dir->size, &whole, sizeof whole) < 0) return NULL;
	dir->size = (dir->size + PAGE - 1) & ~(PAGE - 1);
	return (struct entry *)ext2_block(dir, dir->size / PAGE - 1, block);
}

static int add(struct inode *dir, const char *name, u32 len, u32 ino, u32 mode)
{
	u32 block;
	struct entry *e = room(dir, NEEDS(len), &block);
	if (!e) return -ENOSPC;
	e->ino = ino;
	e->name_length = len;
	e->type = (mode & S_IFMT) == S_IFDIR ? TYPE_DIRECTORY : TYPE_FILE;
	memcpy(e->name, name, len);
	cache_dirty(block, dir->ino);
	ext2_touch(dir);
	return 0;
}

static int make_directory(struct inode *dir, int ino)
{
	static u8 contents[PAGE];
	int err;
	struct inode *i = inode_get(&ext2_ops, ino, &err);
	if (!i) return err;
	ext2_empty_directory(contents, ino, dir->ino);
	err = ext2_write(i, 0, contents, PAGE);
	i->links = 2;
	dir->links++;
	inode_put(i);
	return err < 0 ? err : 0;
}

int ext2_create(struct inode *dir, const char *name, u32 len, u32 mode)
{
	FS_LOCKED;
	int ino = ext2_new_inode(mode);
	if (ino < 0) return ino;
	int err = (mode & S_IFMT) == S_IFDIR ? make_directory(dir, ino) : 0;
	if (!err) err = add(dir, name, len, ino, mode);
	return err ? err : ino;
}

int ext2_unlink(struct inode *dir, const char *name, u32 len)
{
	FS_LOCKED;
	struct place p;
	int err, ino = find(dir, name, len, &p);
	if (ino < 0) return ino;
	if (p.before) p.before->length += p.entry->length;
	else p.entry->ino = 0;
	cache_dirty(p.block, dir->ino);
	ext2_touch(dir);
	struct inode *i = inode_get(&ext2_ops, ino, &err);
	if (!i) return err;
	i->links--;
	ext2_touch(i);
	inode_put(i);
	return 0;
}
