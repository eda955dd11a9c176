/* A write-back cache of 4096-byte disk blocks: hashed, replaced in clock order. One disk operation at a time. */
#include "kernel.h"

#define BUFFERS 256
#define BUCKETS 64
static struct buffer { u32 block; u8 *data, dirty, used; struct buffer *chain; } buffers[BUFFERS], *buckets[BUCKETS];
static u32 hand, in_use;                      /* in_use: buffers that hold a block */
static int busy;
static struct waitq waiters;

/* A sleeping disk operation may not be overtaken: others could take the buffer it fills. */
static void lock(void)
{
	irq_t flags = irq_save();
	while (busy) sleep_on(&waiters);
	busy = 1;
	irq_restore(flags);
}

static void unlock(void) { busy = 0; wakeup(&waiters); }

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

static int clean(struct buffer *b)
{
	if (b->dirty && disk_io(1, b->block, b->data)) return -EIO;
	b->dirty = 0;
	return 0;
}

static struct buffer *victim(void)
{
	if (in_use < BUFFERS) {
		struct buffer *b = &buffers[in_use++];
		if (!b->data) b->data = page_alloc();
		return b;
	}
	for (;;) {
		struct buffer *b = &buffers[hand++ % BUFFERS];
		if (b->used) { b->used = 0; continue; }
		if (clean(b)) return NULL;
		unhash(b);
		return b;
	}
}

u8 *cache_get(u32 block, int will_overwrite)
{
	lock();
	struct buffer *b = lookup(block);
	if (!b && (b = victim())) {
		b->dirty = 0;
		hash(b, block);
		if (!will_overwrite && disk_io(0, block, b->data)) {
			unhash(b);
			hash(b, ~0u);                     /* a block no disk has */
			unlock();
			return NULL;
		}
	}
	if (b) b->used = 1;
	unlock();
	return b ? b->data : NULL;
}

void cache_dirty(u32 block) { lookup(block)->dirty = 1; }

int cache_sync(void)
{
	int err = 0;
	lock();
	for (u32 i = 0; i < in_use && !err; i++) err = clean(&buffers[i]);
	unlock();
	return err;
}

/* Writes everything back and forgets it. */
int cache_drop(void)
{
	int err = cache_sync();
	if (err) return err;
	memset(buckets, 0, sizeof buckets);
	in_use = hand = 0;
	return 0;
}
