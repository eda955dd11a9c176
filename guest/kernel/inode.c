/* Inodes in memory: a cache of those on the disk, and those that exist here only. */
#include "fs.h"

#define INODES 1200
#define BUCKETS 512
static struct inode inodes[INODES], *buckets[BUCKETS];
static u32 hand, next_ram = 0x80000000u;

static void unhash(struct inode *i)
{
	struct inode **at = &buckets[i->ino % BUCKETS];
	while (*at && *at != i) at = &(*at)->chain;
	if (*at) *at = i->chain;
}

static struct inode *victim(void)
{
	for (u32 turns = 0; turns < 2 * INODES; turns++) {
		struct inode *i = &inodes[hand++ % INODES];
		if (i->refs) continue;
		if (i->used) { i->used = 0; continue; }
		if (i->dirty && i->ops->store(i)) continue;
		if (i->ops) unhash(i);
		return i;
	}
	return NULL;
}

struct inode *inode_get(const struct inode_ops *ops, u32 ino, int *err)
{
	struct inode *i = buckets[ino % BUCKETS];
	while (i && i->ino != ino) i = i->chain;
	if (!i) {
		*err = -ENFILE;
		if (!(i = victim())) return NULL;
		*i = (struct inode){ .ops = ops, .ino = ino };
		if ((*err = ops->load(i))) { i->ops = NULL; return NULL; }
		i->chain = buckets[ino % BUCKETS];
		buckets[ino % BUCKETS] = i;
	}
	i->refs++;
	i->used = 1;
	return i;
}

void inode_hold(struct inode *i) { i->refs++; }

void inode_put(struct inode *i)
{
	if (--i->refs || i->links || !i->ops->free) return;
	i->ops->free(i);
	unhash(i);
	i->ops = NULL;
	i->used = i->dirty = 0;
}

int inodes_store(void)
{
	for (struct inode *i = inodes; i < inodes + INODES; i++) {
		int err = i->dirty && i->ops ? i->ops->store(i) : 0;
		if (err) return err;
	}
	return 0;
}

/* --- files of the kernel's own: programs in its image, directories of them, devices --- */

struct inode *ram_inode(u32 mode, const struct file_ops *files, const u8 *image, u32 size)
{
	struct inode *i = victim();
	assert(i);
	*i = (struct inode){ .ops = &ram_ops, .files = files, .ino = next_ram++, .refs = 1, .mode = mode, .links = 1, .size = size, .image = image };
	return i;
}

static int no_entry(struct inode *dir, const char *name, u32 len) { return dir->image ? -ENOENT : -ENODEV; }
static int no_create(struct inode *dir, const char *name, u32 len, u32 mode) { return dir->image ? -EPERM : -ENODEV; }
static int no_unlink(struct inode *dir, const char *name, u32 len) { return -EPERM; }
static int no_write(struct inode *i, u32 pos, const void *buf, u32 n) { return -EPERM; }
static int refuse(struct inode *i) { return i->mode & S_IFCHR ? 0 : -EPERM; }
static int nothing(struct inode *i) { return 0; }

static int image_read(struct inode *i, u32 pos, void *buf, u32 n)
{
	if (!i->image || (i->mode & S_IFMT) != S_IFREG) return -EINVAL;
	if (pos >= i->size) return 0;
	if (n > i->size - pos) n = i->size - pos;
	memcpy(buf, i->image + pos, n);
	return n;
}

/* Images begin on a page of their own, so that their pages can be mapped as they lie. */
static int image_page(struct inode *i, u32 index)
{
	if (!i->image || index * PAGE >= i->size) return 0;
	u32 pfn = pfn_of(i->image) + index;
	frame_hold(pfn);
	return pfn;
}

const struct inode_ops ram_ops = {
	.lookup = no_entry, .create = no_create, .unlink = no_unlink, .store = nothing, .read = image_read,
	.write = no_write, .truncate = refuse, .page = image_page, .sync = nothing,
};
