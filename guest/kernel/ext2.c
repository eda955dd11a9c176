/* The second extended file system, revision 1 with one block group: blocks of 4096 bytes, so 128 MB at most; files of up to
 * 12 direct and 1024 indirect blocks. A disk without it is formatted when it is first mounted. The layout is that of
 * "The Second Extended File System" (D. Poirier, 2001-2019). Here: reading and writing files; directories are in dir.c. */
#include "ext2.h"

#define MAGIC 0xEF53
#define DIRECT 12
#define INDIRECT 1024
enum { SUPER, GROUP, BLOCK_MAP, INODE_MAP, TABLE };   /* the group's blocks; the table has INODES / 32 */
#define INODES 1024u
#define FIRST_INODE 11u
#define DATA (TABLE + INODES / 32)
struct super {
	u32 inodes, blocks, reserved, free_blocks, free_inodes, first_data, log_block, log_fragment;
	u32 group_blocks, group_fragments, group_inodes, mounted_at, written_at;
	u16 mounts, max_mounts, magic, state, errors, minor;
	u32 checked_at, check_interval, creator, revision;
	u16 reserved_uid, reserved_gid;
	u32 first_inode;
	u16 inode_size, group;
	u32 compatible, incompatible, read_only_compatible;
};
struct group { u32 block_map, inode_map, table; u16 free_blocks, free_inodes, directories, pad; u32 reserved[3]; };
struct disk_inode {
	u16 mode, uid;
	u32 size, accessed, changed, modified, deleted;
	u16 gid, links;
	u32 sectors, flags, os, block[15], generation, acls[2], fragment, os2[3];
};
_Static_assert(sizeof(struct disk_inode) == 128, "as on the disk");
enum { HAS_FILE_TYPES = 2, CLEAN = 1 };
static u32 blocks, block_goal = DATA, inode_goal = FIRST_INODE;

/* --- one process at a time; it may come back in, as its own buffer can be a mapped file --- */

static struct proc *owner;
static u32 depth;
static struct waitq waiters;

int fs_lock(void)
{
	while (owner && owner != current) {
		irq_t flags = irq_save();
		sleep_on(&waiters);
		irq_restore(flags);
	}
	owner = current;
	depth++;
	return 0;
}

void fs_unlock(int *unused)
{
	if (--depth) return;
	owner = NULL;
	if (waiters.head) wakeup(&waiters);
}

/* The clock starts in October 2003: where a deletion time is small, e2fsck takes it for a link of the list of orphans. */
static u32 now(void) { return 1066521600 + jiffies / HZ; }

/* --- bitmaps --- */

static struct super *super(void) { u8 *b = cache_get(SUPER, 0); return b ? (struct super *)(b + 1024) : NULL; }

static void count(int free_blocks, int free_inodes, int directories)
{
	struct group *g = (struct group *)cache_get(GROUP, 0);
	if (!g) return;
	g->free_blocks += free_blocks;
	g->free_inodes += free_inodes;
	g->directories += directories;
	cache_dirty(GROUP, 0);
	struct super *s = super();
	if (!s) return;
	s->free_blocks += free_blocks;
	s->free_inodes += free_inodes;
	cache_dirty(SUPER, 0);
}

/* The first clear bit of [from, end), which is set then; end when there is none. */
static u32 take_bit(u32 map_block, u32 from, u32 end)
{
	u32 *map = (u32 *)cache_get(map_block, 0);
	for (u32 n = from; map && n < end; n = (n | 31) + 1) {
		u32 clear = ~map[n / 32] & ~0u << n % 32;
		if (!clear) continue;
		n = (n & ~31u) + __builtin_ctz(clear);
		if (n >= end) break;
		map[n / 32] |= 1u << n % 32;
		cache_dirty(map_block, 0);
		return n;
	}
	return end;
}

static void clear_bit(u32 map_block, u32 n)
{
	u32 *map = (u32 *)cache_get(map_block, 0);
	if (!map) return;
	map[n / 32] &= ~(1u << n % 32);
	cache_dirty(map_block, 0);
}

/* 0 when the disk is full or cannot be read. */
static u32 block_take(struct inode *i)
{
	u32 b = take_bit(BLOCK_MAP, block_goal, blocks);
	if (b == blocks && (b = take_bit(BLOCK_MAP, DATA, block_goal)) == block_goal) return 0;
	block_goal = b + 1 < blocks ? b + 1 : DATA;
	i->sectors += PAGE / 512;
	count(-1, 0, 0);
	return b;
}

static void block_give(u32 b)
{
	if (!b) return;
	cache_forget(b);
	clear_bit(BLOCK_MAP, b);
	if (b < block_goal) block_goal = b;
	count(1, 0, 0);
}

int ext2_new_inode(u32 mode)
{
	u32 bit = take_bit(INODE_MAP, inode_goal - 1, INODES);
	if (bit == INODES && (bit = take_bit(INODE_MAP, FIRST_INODE - 1, inode_goal - 1)) == inode_goal - 1) return -ENOSPC;
	inode_goal = bit + 2 <= INODES ? bit + 2 : FIRST_INODE;
	count(0, -1, (mode & S_IFMT) == S_IFDIR);
	struct disk_inode *d = (struct disk_inode *)cache_get(TABLE + bit / 32, 0);
	if (!d) return -EIO;
	d[bit % 32] = (struct disk_inode){ .mode = mode, .links = 1, .accessed = now(), .changed = now(), .modified = now() };
	cache_dirty(TABLE + bit / 32, bit + 1);
	return bit + 1;
}

/* --- inodes --- */

static const struct file_ops *kind_of(u32 mode) { return (mode & S_IFMT) == S_IFREG ? &regular_ops : NULL; }

static int load(struct inode *i)
{
	struct disk_inode *d = (struct disk_inode *)cache_get(TABLE + (i->ino - 1) / 32, 0);
	if (!d) return -EIO;
	d += (i->ino - 1) % 32;
	i->mode = d->mode;
	i->links = d->links;
	i->size = d->size;
	i->sectors = d->sectors;
	i->time = d->modified;
	memcpy(i->block, d->block, sizeof i->block);
	i->files = kind_of(i->mode);
	return i->mode ? 0 : -EIO;
}

static int store(struct inode *i)
{
	FS_LOCKED;
	struct disk_inode *d = (struct disk_inode *)cache_get(TABLE + (i->ino - 1) / 32, 0);
	if (!d) return -EIO;
	d += (i->ino - 1) % 32;
	d->mode = i->mode;
	d->links = i->links;
	d->size = i->size;
	d->sectors = i->sectors;
	d->modified = d->changed = i->time;
	if (!i->links) d->deleted = i->time + 1;
	memcpy(d->block, i->block, sizeof d->block);
	cache_dirty(TABLE + (i->ino - 1) / 32, i->ino);
	i->dirty = 0;
	return 0;
}

void ext2_touch(struct inode *i)
{
	i->time = now();
	i->dirty = 1;
}

/* The disk block behind a file's block, made when fresh is not NULL (*fresh: it was made now). 0: a hole, or no space. */
static u32 block_of(struct inode *i, u32 index, int *fresh)
{
	u32 b;
	if (index >= DIRECT + INDIRECT) return 0;
	if (index < DIRECT) {
		if ((b = i->block[index]) || !fresh || !(b = block_take(i))) return b;
		i->block[index] = b;
		i->dirty = *fresh = 1;
		return b;
	}
	if (!i->block[DIRECT]) {
		if (!fresh || !(b = block_take(i))) return 0;
		u8 *zero = cache_get(b, 1);
		if (!zero) return 0;
		memset(zero, 0, PAGE);
		cache_dirty(b, i->ino);
		i->block[DIRECT] = b;
		i->dirty = 1;
	}
	u32 *table = (u32 *)cache_get(i->block[DIRECT], 0);
	if (!table) return 0;
	if ((b = table[index - DIRECT]) || !fresh) return b;
	if (!(b = block_take(i)) || !(table = (u32 *)cache_get(i->block[DIRECT], 0))) return 0;
	table[index - DIRECT] = b;
	cache_dirty(i->block[DIRECT], i->ino);
	*fresh = 1;
	return b;
}

/* A block of a directory, NULL when it cannot be read. */
u8 *ext2_block(struct inode *dir, u32 index, u32 *block)
{
	*block = block_of(dir, index, NULL);
	return *block ? cache_get(*block, 0) : NULL;
}

int ext2_read(struct inode *i, u32 pos, void *buf, u32 n)
{
	FS_LOCKED;
	u32 done = 0, part;
	if (pos >= i->size) return 0;
	if (n > i->size - pos) n = i->size - pos;
	for (; done < n; done += part, pos += part) {
		part = PAGE - pos % PAGE;
		if (part > n - done) part = n - done;
		/* Touched now, so that no page fault can come between cache_get and the copy. */
		volatile u8 *touch = (u8 *)buf + done;
		*touch = 0;
		touch[part - 1] = 0;
		u32 b = block_of(i, pos / PAGE, NULL);
		u8 *data = b ? cache_get(b, 0) : NULL;
		if (b && !data) return -EIO;
		if (b) memcpy((u8 *)buf + done, data + pos % PAGE, part);
		else memset((u8 *)buf + done, 0, part);
	}
	return n;
}

int ext2_write(struct inode *i, u32 pos, const void *buf, u32 n)
{
	FS_LOCKED;
	u32 done = 0, part;
	if (pos + n < pos || pos + n > (DIRECT + INDIRECT) * PAGE) return -EFBIG;
	for (; done < n; done += part, pos += part) {
		int fresh = 0;
		part = PAGE - pos % PAGE;
		if (part > n - done) part = n - done;
		const volatile u8 *touch = (const u8 *)buf + done;
		(void)*touch;
		(void)touch[part - 1];
		u32 b = block_of(i, pos / PAGE, &fresh);
		if (!b) return done ? (int)done : -ENOSPC;
		u8 *data = cache_get(b, fresh || part == PAGE);
		if (!data) return -EIO;
		if (fresh && part < PAGE) memset(data, 0, PAGE);
		memcpy(data + pos % PAGE, (const u8 *)buf + done, part);
		cache_dirty(b, i->ino);
		if (pos + part > i->size) i->size = pos + part;
	}
	ext2_touch(i);
	return n;
}

static int truncate(struct inode *i)
{
	FS_LOCKED;
	for (u32 k = 0; k < DIRECT; k++) block_give(i->block[k]);
	for (u32 k = 0; i->block[DIRECT] && k < INDIRECT; k++) {
		u32 *table = (u32 *)cache_get(i->block[DIRECT], 0);
		if (table) block_give(table[k]);
	}
	block_give(i->block[DIRECT]);
	memset(i->block, 0, sizeof i->block);
	i->size = i->sectors = 0;
	ext2_touch(i);
	return 0;
}

static void release(struct inode *i)
{
	FS_LOCKED;
	truncate(i);
	store(i);
	clear_bit(INODE_MAP, i->ino - 1);
	if (i->ino < inode_goal) inode_goal = i->ino;
	count(0, 1, -((i->mode & S_IFMT) == S_IFDIR));
}

static int page(struct inode *i, u32 index)
{
	FS_LOCKED;
	u32 b = index * PAGE < i->size ? block_of(i, index, NULL) : 0, pfn = b ? cache_frame(b) : 0;
	return b && !pfn ? -EIO : (int)pfn;
}

static int sync(struct inode *i)
{
	FS_LOCKED;
	int err = i->dirty ? store(i) : 0;
	return err ? err : cache_sync(i->ino);
}

const struct inode_ops ext2_ops = {
	.lookup = ext2_lookup, .create = ext2_create, .unlink = ext2_unlink, .load = load, .store = store, .read = ext2_read,
	.write = ext2_write, .truncate = truncate, .free = release, .page = page, .sync = sync,
};

/* --- the whole disk --- */

static int format_disk(void)
{
	for (u32 b = SUPER; b <= DATA; b++) {
		u8 *data = cache_get(b, 1);
		if (!data) return -EIO;
		memset(data, 0, PAGE);
		cache_dirty(b, 0);
	}
	*super() = (struct super){ .inodes = INODES, .blocks = blocks, .free_blocks = blocks - DATA - 1, .free_inodes = INODES - FIRST_INODE + 1,
		.log_block = 2, .log_fragment = 2, .group_blocks = 32768, .group_fragments = 32768, .group_inodes = INODES, .max_mounts = 0xFFFF,
		.magic = MAGIC, .state = CLEAN, .errors = 1, .revision = 1, .first_inode = FIRST_INODE, .inode_size = 128,
		.incompatible = HAS_FILE_TYPES };
	*(struct group *)cache_get(GROUP, 0) = (struct group){ BLOCK_MAP, INODE_MAP, TABLE, blocks - DATA - 1, INODES - FIRST_INODE + 1, 1 };
	u8 *map = cache_get(BLOCK_MAP, 0);
	for (u32 b = 0; b < PAGE * 8; b++)
		if (b <= DATA || b >= blocks) map[b / 8] |= 1 << b % 8;
	map = cache_get(INODE_MAP, 0);
	for (u32 n = 0; n < PAGE * 8; n++)
		if (n < FIRST_INODE - 1 || n >= INODES) map[n / 8] |= 1 << n % 8;
	struct disk_inode *root = (struct disk_inode *)cache_get(TABLE, 0) + EXT2_ROOT - 1;
	*root = (struct disk_inode){ .mode = S_IFDIR | 0755, .size = PAGE, .links = 2, .sectors = PAGE / 512, .block = { DATA } };
	ext2_empty_directory(cache_get(DATA, 0), EXT2_ROOT, EXT2_ROOT);
	return cache_sync(0);
}

int ext2_mount(struct inode **root)
{
	int err = 0;
	blocks = disk_init();
	if (blocks < DATA + 8) return -ENODEV;
	if (blocks > PAGE * 8) blocks = PAGE * 8;   /* one group */
	struct super *s = super();
	if (!s) return -EIO;
	int ours = s->magic == MAGIC && s->inodes == INODES && s->blocks <= blocks && s->log_block == 2 && s->incompatible == HAS_FILE_TYPES;
	if (ours) blocks = s->blocks;
	else if ((err = format_disk())) return err;
	*root = inode_get(&ext2_ops, EXT2_ROOT, &err);
	return err;
}
