/* A small file system: super block, block bitmap, 4 blocks of inodes, data. One flat directory, which is inode 1.
 * A disk without our super block is formatted when it is first mounted. */
#include "kernel.h"

#define MAGIC 0x53465654u                     /* "TVFS" */
#define DIRECT 12
#define INDIRECT 1024
#define INODE_BLOCKS 4
#define INODES (INODE_BLOCKS * 64)
#define BITMAP 1u
#define INODE_START 2u
#define DATA_START (INODE_START + INODE_BLOCKS)
#define ROOT 1u
struct super { u32 magic, blocks; };
struct inode { u32 used, size, direct[DIRECT], indirect, spare; };
struct dirent { u32 ino; char name[28]; };
static u32 disk_blocks, last_taken = DATA_START, last_inode = ROOT;

/* One process at a time; it may come back in, as its own buffer can be a mapped file. */
static struct proc *owner;
static u32 depth;
static struct waitq waiters;

static int fs_lock(void)
{
	irq_t flags = irq_save();
	while (owner && owner != current) sleep_on(&waiters);
	owner = current;
	depth++;
	irq_restore(flags);
	return 0;
}

static void fs_unlock(int *unused)
{
	if (--depth) return;
	owner = NULL;
	wakeup(&waiters);
}

#define LOCKED int locked __attribute__((cleanup(fs_unlock))) = fs_lock()

static struct inode *inode(u32 ino)
{
	u8 *b = cache_get(INODE_START + ino / 64, 0);
	return b ? (struct inode *)b + ino % 64 : NULL;
}

static void inode_dirty(u32 ino) { cache_dirty(INODE_START + ino / 64); }

/* 0 when the disk is full or cannot be read. */
static u32 block_take(void)
{
	u8 *map = cache_get(BITMAP, 0);
	if (!map) return 0;
	for (u32 i = 0, b = last_taken; i < disk_blocks; i++, b++) {
		if (b >= disk_blocks) b = DATA_START;
		if (map[b / 8] == 0xFF && !(b % 8)) { b += 7; i += 7; continue; }
		if (map[b / 8] & (1 << b % 8)) continue;
		map[b / 8] |= 1 << b % 8;
		cache_dirty(BITMAP);
		last_taken = b;
		return b;
	}
	return 0;
}

static void block_give(u32 b)
{
	u8 *map = b ? cache_get(BITMAP, 0) : NULL;
	if (!map) return;
	map[b / 8] &= ~(1 << b % 8);
	if (b < last_taken) last_taken = b;
	cache_dirty(BITMAP);
}

/* The disk block behind a file's block; made when grow is set. 0: a hole, or no space. *fresh: it was made now. */
static u32 block_of(u32 ino, u32 index, int grow, int *fresh)
{
	struct inode *in = inode(ino);
	u32 b, table;
	*fresh = 0;
	if (!in || index >= DIRECT + INDIRECT) return 0;
	if (index < DIRECT) {
		if ((b = in->direct[index]) || !grow) return b;
		if (!(b = block_take()) || !(in = inode(ino))) return 0;
		in->direct[index] = b;
		inode_dirty(ino);
		*fresh = 1;
		return b;
	}
	if (!(table = in->indirect)) {
		if (!grow || !(table = block_take())) return 0;
		u8 *t = cache_get(table, 1);
		if (!t) return 0;
		memset(t, 0, PAGE);
		cache_dirty(table);
		if (!(in = inode(ino))) return 0;
		in->indirect = table;
		inode_dirty(ino);
	}
	u32 *t = (u32 *)cache_get(table, 0);
	if (!t) return 0;
	if ((b = t[index - DIRECT]) || !grow) return b;
	if (!(b = block_take()) || !(t = (u32 *)cache_get(table, 0))) return 0;
	t[index - DIRECT] = b;
	cache_dirty(table);
	*fresh = 1;
	return b;
}

int fs_read(u32 ino, u32 pos, void *buf, u32 n)
{
	LOCKED;
	struct inode *in = inode(ino);
	u32 done = 0, part;
	int fresh;
	if (!in) return -EIO;
	if (pos >= in->size) return 0;
	if (n > in->size - pos) n = in->size - pos;
	for (; done < n; done += part, pos += part) {
		part = PAGE - pos % PAGE;
		if (part > n - done) part = n - done;
		/* Touched now, so that no page fault can come between cache_get and the copy. */
		volatile u8 *touch = (u8 *)buf + done;
		*touch = 0;
		touch[part - 1] = 0;
		u32 b = block_of(ino, pos / PAGE, 0, &fresh);
		u8 *data = b ? cache_get(b, 0) : NULL;
		if (b && !data) return -EIO;
		if (b) memcpy((u8 *)buf + done, data + pos % PAGE, part);
		else memset((u8 *)buf + done, 0, part);
	}
	return n;
}

int fs_write(u32 ino, u32 pos, const void *buf, u32 n)
{
	LOCKED;
	u32 done = 0, part;
	int fresh;
	if (pos + n < pos || pos + n > (DIRECT + INDIRECT) * PAGE) return -EFBIG;
	for (; done < n; done += part, pos += part) {
		part = PAGE - pos % PAGE;
		if (part > n - done) part = n - done;
		const volatile u8 *touch = (const u8 *)buf + done;
		(void)*touch;
		(void)touch[part - 1];
		u32 b = block_of(ino, pos / PAGE, 1, &fresh);
		if (!b) return done ? (int)done : -ENOSPC;
		u8 *data = cache_get(b, fresh || part == PAGE);
		if (!data) return -EIO;
		if (fresh && part < PAGE) memset(data, 0, PAGE);
		memcpy(data + pos % PAGE, (const u8 *)buf + done, part);
		cache_dirty(b);
		struct inode *in = inode(ino);
		if (!in) return -EIO;
		if (pos + part > in->size) {
			in->size = pos + part;
			inode_dirty(ino);
		}
	}
	return n;
}

static int truncate(u32 ino)
{
	struct inode *in = inode(ino);
	if (!in) return -EIO;
	struct inode old = *in;
	memset(in, 0, sizeof *in);
	in->used = 1;
	inode_dirty(ino);
	for (u32 i = 0; i < DIRECT; i++) block_give(old.direct[i]);
	for (u32 i = 0; old.indirect && i < INDIRECT; i++) {
		u32 *t = (u32 *)cache_get(old.indirect, 0);
		if (t) block_give(t[i]);
	}
	block_give(old.indirect);
	return 0;
}

/* Looks a name up; *at becomes its position in the directory, or that of a free slot. */
static int find(const char *name, u32 *at)
{
	struct dirent d;
	u32 pos = 0;
	int n, hole = 0;
	if (!disk_blocks) return -ENODEV;
	for (; (n = fs_read(ROOT, pos, &d, sizeof d)) == sizeof d; pos += n) {
		if (d.ino && !strcmp(d.name, name)) { *at = pos; return d.ino; }
		if (!d.ino && !hole) { hole = 1; *at = pos; }
	}
	if (n < 0) return n;
	if (!hole) *at = pos;
	return -ENOENT;
}

int fs_find(const char *name, int create)
{
	LOCKED;
	u32 at;
	if (!name[0] || strlen(name) >= sizeof ((struct dirent *)0)->name) return -EINVAL;
	int ino = find(name, &at);
	if (ino > 0 && create) {
		int err = truncate(ino);
		if (err) return err;
	}
	if (ino != -ENOENT || !create) return ino;
	for (u32 i = 2, k = last_inode; i < INODES; i++) {
		if (++k >= INODES) k = 2;
		struct inode *in = inode(k);
		if (!in) return -EIO;
		if (in->used) continue;
		memset(in, 0, sizeof *in);
		in->used = 1;
		inode_dirty(k);
		struct dirent d = { k };
		memcpy(d.name, name, strlen(name));
		int n = fs_write(ROOT, at, &d, sizeof d);
		if (n != sizeof d) return n < 0 ? n : -ENOSPC;
		last_inode = k;
		return k;
	}
	return -ENOSPC;
}

int fs_unlink(const char *name)
{
	LOCKED;
	u32 at;
	int ino = find(name, &at);
	if (ino < 0) return ino;
	truncate(ino);
	struct inode *in = inode(ino);
	if (!in) return -EIO;
	in->used = 0;
	inode_dirty(ino);
	struct dirent none = { 0 };
	return fs_write(ROOT, at, &none, sizeof none) < 0 ? -EIO : 0;
}

int fs_stat(const char *name, struct stat *st)
{
	LOCKED;
	u32 at;
	st->ino = 0;                              /* the fault, if there is one, comes before the cache is in use */
	int ino = find(name, &at);
	if (ino < 0) return ino;
	struct inode *in = inode(ino);
	if (!in) return -EIO;
	*st = (struct stat){ ino, in->size, (in->size + PAGE - 1) / PAGE };
	return 0;
}

int fs_mount(void)
{
	u32 blocks = disk_init();
	if (blocks < DATA_START + 8) return -ENODEV;
	if (blocks > PAGE * 8) blocks = PAGE * 8;   /* one block of bitmap */
	struct super *s = (struct super *)cache_get(0, 0);
	if (!s) return -EIO;
	if (s->magic != MAGIC || s->blocks > blocks) {
		memset(s, 0, PAGE);
		*s = (struct super){ MAGIC, blocks };
		cache_dirty(0);
		for (u32 b = BITMAP; b < DATA_START; b++) {
			u8 *data = cache_get(b, 1);
			if (!data) return -EIO;
			memset(data, 0, PAGE);
			if (b == BITMAP) data[0] = (1 << DATA_START) - 1;
			if (b == INODE_START) ((struct inode *)data)[ROOT].used = 1;
			cache_dirty(b);
		}
		if (cache_sync()) return -EIO;
	} else {
		blocks = s->blocks;
	}
	disk_blocks = blocks;
	return 0;
}
