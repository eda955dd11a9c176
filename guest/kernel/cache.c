/* A write-back cache of 4096-byte disk blocks: hashed, replaced in clock order, dirty ones in a list. Programs may map
 * the blocks of a file, so a frame has an owner more for each mapping. One disk operation at a time. */
#include "kernel.h"

#define BUFFERS 4096
#define BUCKETS 1024
static struct buffer {
	u32 block, ino;                           /* ino: the file that fsync writes it for; 0 for none */
	u8 *data, dirty, used;
	struct buffer *chain, *next, **at;        /* next, at: of the dirty ones */
} buffers[BUFFERS], *buckets[BUCKETS], *dirty, **dirty_end = &dirty;
static u32 hand, in_use, limit;               /* in_use: buffers that hold a block */
static int busy;
static struct waitq waiters;

/* A sleeping disk operation may not be overtaken: others could take the buffer it fills. */
static void lock(void)
{
	while (busy) {
		irq_t flags = irq_save();
		sleep_on(&waiters);
		irq_restore(flags);
	}
	busy = 1;
}

static void unlock(void)
{
	busy = 0;
	if (waiters.head) wakeup(&waiters);
}

static struct buffer *lookup(u32 block)
{
	struct buffer *b = buckets[block % BUCKETS];
	while (b && b->block != block) b = b->chain;
	return b;
}

static void unhash(struct buffer *b)
{
	struct buffer **at = &buckets[b->block % BUCKETS];
	while (*at != b) at = &(*at)->chain;
	*at = b->chain;
}

static void hash(struct buffer *b, u32 block)
{
	b->block = block;
	b->chain = buckets[block % BUCKETS];
	buckets[block % BUCKETS] = b;
}

static void mark_clean(struct buffer *b)
{
	if (!b->dirty) return;
	*b->at = b->next;
	*(b->next ? &b->next->at : &dirty_end) = b->at;
	b->dirty = 0;
}

static int clean(struct buffer *b)
{
	if (b->dirty && disk_io(1, b->block, b->data)) return -EIO;
	mark_clean(b);
	return 0;
}

/* Its contents may go; a frame that somebody maps stays with him. */
static int reuse(struct buffer *b)
{
	if (!b->data || frame_refs(pfn_of(b->data)) > 1) {
		u32 pfn = frame_alloc();
		if (!pfn) return 0;
		if (b->data) frame_drop(pfn_of(b->data));
		b->data = va_of(pfn);
	}
	return 1;
}

static struct buffer *victim(void)
{
	if (!limit) limit = frames_free() / 4 < BUFFERS ? frames_free() / 4 : BUFFERS;
	if (in_use < limit && reuse(&buffers[in_use])) return &buffers[in_use++];
	for (u32 turns = 0; turns < 3 * in_use; turns++) {
		struct buffer *b = &buffers[hand++ % in_use];
		if (b->used) { b->used = 0; continue; }
		if (clean(b)) return NULL;
		if (!reuse(b)) continue;
		unhash(b);
		return b;
	}
	return NULL;
}

static struct buffer *get(u32 block, int will_overwrite)
{
	struct buffer *b = lookup(block);
	if (!b || busy) {
		lock();
		if (!(b = lookup(block)) && (b = victim())) {
			hash(b, block);
			if (!will_overwrite && disk_io(0, block, b->data)) {
				unhash(b);
				hash(b, ~0u);                 /* a block no disk has */
				b = NULL;
			}
		}
		unlock();
	}
	if (b) b->used = 1;
	return b;
}

u8 *cache_get(u32 block, int will_overwrite)
{
	struct buffer *b = get(block, will_overwrite);
	return b ? b->data : NULL;
}

u32 cache_frame(u32 block)
{
	struct buffer *b = get(block, 0);
	if (!b) return 0;
	frame_hold(pfn_of(b->data));
	return pfn_of(b->data);
}

void cache_dirty(u32 block, u32 ino)
{
	struct buffer *b = lookup(block);
	b->ino = ino;
	if (b->dirty) return;
	b->dirty = 1;
	b->next = NULL;
	b->at = dirty_end;
	*dirty_end = b;
	dirty_end = &b->next;
}

/* The block is free: nobody will miss what was to be written. */
void cache_forget(u32 block)
{
	struct buffer *b = lookup(block);
	if (b) mark_clean(b);
}

/* Writes back what is dirty of one file, or everything when ino is 0, in the order in which it was written. */
int cache_sync(u32 ino)
{
	int err = 0;
	lock();
	for (struct buffer *b = dirty, *next; b && !err; b = next) {
		next = b->next;
		if (!ino || b->ino == ino) err = clean(b);
	}
	unlock();
	return err;
}

/* Forgets everything that has been written back. */
void cache_drop(void)
{
	lock();
	memset(buckets, 0, sizeof buckets);
	for (u32 i = 0; i < in_use; i++) mark_clean(&buffers[i]);
	in_use = hand = 0;
	unlock();
}
