/* select: asks every descriptor, and sleeps on all of their queues together when none is ready. */
#include "kernel.h"

struct poll_table { u32 count; struct waiter entry[(PAGE - 4) / sizeof(struct waiter)]; };
_Static_assert(sizeof(struct poll_table) <= PAGE, "one page of waiters");
_Static_assert(countof(((struct poll_table *)0)->entry) >= 2 * NFD, "two queues a descriptor");

void poll_wait(struct poll_table *t, struct waitq *q)
{
	if (!t || t->count == countof(t->entry)) return;
	irq_t flags = irq_save();
	struct waiter *w = &t->entry[t->count++];
	w->proc = current;
	wait_add(q, w);
	irq_restore(flags);
}

static void leave_queues(struct poll_table *t)
{
	irq_t flags = irq_save();
	while (t->count) wait_remove(&t->entry[--t->count]);
	irq_restore(flags);
}

#define WORDS (NFD / 32)
struct sets { u32 in[WORDS], out[WORDS]; };

static int look(u32 n, const struct sets *asked, struct sets *ready, struct poll_table *t)
{
	int found = 0;
	for (u32 fd = 0; fd < n; fd++) {
		u32 word = fd / 32, bit = 1u << fd % 32, want, have;
		if (!((asked->in[word] | asked->out[word]) >> fd % 32)) { fd |= 31; continue; }   /* none left in this word */
		want = (asked->in[word] & bit ? POLL_IN : 0) | (asked->out[word] & bit ? POLL_OUT : 0);
		if (!want) continue;
		struct file *f = file_get(fd);
		if (!f) return -EBADF;
		have = want & (f->ops->poll ? f->ops->poll(f, t) : POLL_IN | POLL_OUT);
		if (have & POLL_IN) ready->in[word] |= bit, found++;
		if (have & POLL_OUT) ready->out[word] |= bit, found++;
		if (found) t = NULL;                  /* nobody is going to sleep */
	}
	return found;
}

/* A wakeup between looking and sleeping finds this process awake, but already queued: it is marked asleep first. */
static int wait_for_any(u32 n, const struct sets *asked, struct sets *ready, struct poll_table *t, int ticks)
{
	u32 until = jiffies + ticks;
	for (;;) {
		irq_t flags = irq_save();
		int found = look(n, asked, ready, t);
		if (found || signals_due() || (ticks >= 0 && (int)(jiffies - until) >= 0)) {
			irq_restore(flags);
			leave_queues(t);
			return found ? found : signals_due() ? -EINTR : 0;
		}
		if (ticks >= 0) poll_wait(t, &every_tick);
		current->state = SLEEPING;
		schedule();
		leave_queues(t);
		irq_restore(flags);
	}
}

int sys_select(u32 n, u32 *sets[2], const struct timeval *tv)
{
	struct sets asked = { { 0 } }, ready = { { 0 } };
	if (n > NFD) n = NFD;
	u32 bytes = (n + 31) / 32 * 4;
	if (tv && !user_ok(tv, sizeof *tv, 0)) return -EFAULT;
	for (u32 i = 0; i < 2; i++) {
		if (!sets[i]) continue;
		if (!user_ok(sets[i], bytes, 1)) return -EFAULT;
		memcpy(i ? asked.out : asked.in, sets[i], bytes);
	}
	for (u32 word = 0; word < WORDS; word++)
		if (n < (word + 1) * 32) {
			u32 keep = n <= word * 32 ? 0 : (1u << (n - word * 32)) - 1;
			asked.in[word] &= keep;
			asked.out[word] &= keep;
		}
	int found = look(n, &asked, &ready, NULL);
	if (!found && (!tv || tv->sec || tv->usec)) {
		u32 pfn = frame_alloc();
		if (!pfn) return -ENOMEM;
		struct poll_table *t = va_of(pfn);
		t->count = 0;
		u32 ticks = !tv ? 0 : tv->sec > 1000000 ? 1000000 * HZ : tv->sec * HZ + (tv->usec + 1000000 / HZ - 1) / (1000000 / HZ);
		found = wait_for_any(n, &asked, &ready, t, tv ? (int)ticks : -1);
		frame_drop(pfn);
	}
	if (found < 0) return found;
	for (u32 i = 0; i < 2; i++)
		if (sets[i]) memcpy(sets[i], i ? ready.out : ready.in, bytes);
	return found;
}
