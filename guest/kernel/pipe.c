/* Pipes: a page, used as a ring, between two ends. */
#include "kernel.h"

struct pipe { u8 *page; u32 at, count, readers, writers; struct waitq can_read, can_write; };
static struct pipe pipes[64];

static int pipe_read(struct file *f, void *buf, u32 n)
{
	struct pipe *p = f->data;
	u8 *to = buf;
	while (!p->count) {
		if (!p->writers || !n) return 0;
		if (signals_due()) return -EINTR;
		irq_t flags = irq_save();
		sleep_on(&p->can_read);
		irq_restore(flags);
	}
	if (n > p->count) n = p->count;
	for (u32 left = n, part; left; left -= part, to += part) {
		part = left < PAGE - p->at ? left : PAGE - p->at;
		memcpy(to, p->page + p->at, part);
		p->at = (p->at + part) % PAGE;
		p->count -= part;
	}
	wakeup(&p->can_write);
	return n;
}

static int pipe_write(struct file *f, const void *buf, u32 n)
{
	struct pipe *p = f->data;
	const u8 *from = buf;
	u32 done = 0, part;
	while (done < n) {
		while (p->readers && p->count == PAGE) {
			if (signals_due()) return done ? (int)done : -EINTR;
			irq_t flags = irq_save();
			sleep_on(&p->can_write);
			irq_restore(flags);
		}
		if (!p->readers) {
			do_kill(current->pid, SIGPIPE);
			return -EPIPE;
		}
		u32 at = (p->at + p->count) % PAGE;
		part = at < p->at ? p->at - at : PAGE - at;
		if (part > PAGE - p->count) part = PAGE - p->count;
		if (part > n - done) part = n - done;
		memcpy(p->page + at, from + done, part);
		p->count += part;
		done += part;
		wakeup(&p->can_read);
	}
	return n;
}

static u32 read_end_poll(struct file *f, struct poll_table *t)
{
	struct pipe *p = f->data;
	poll_wait(t, &p->can_read);
	return p->count || !p->writers ? POLL_IN : 0;
}

static u32 write_end_poll(struct file *f, struct poll_table *t)
{
	struct pipe *p = f->data;
	poll_wait(t, &p->can_write);
	return p->count < PAGE || !p->readers ? POLL_OUT : 0;
}

static void give_back(struct pipe *p)
{
	if (p->readers || p->writers) return;
	frame_drop(pfn_of(p->page));
	p->page = NULL;
}

static void read_end_release(struct file *f)
{
	struct pipe *p = f->data;
	p->readers--;
	wakeup(&p->can_write);
	give_back(p);
}

static void write_end_release(struct file *f)
{
	struct pipe *p = f->data;
	p->writers--;
	wakeup(&p->can_read);
	give_back(p);
}

static const struct file_ops read_end = { .read = pipe_read, .poll = read_end_poll, .release = read_end_release };
static const struct file_ops write_end = { .write = pipe_write, .poll = write_end_poll, .release = write_end_release };

int file_pipe(int *fds)
{
	struct pipe *p = pipes;
	while (p->page)
		if (++p == pipes + countof(pipes)) return -ENFILE;
	u32 pfn = frame_alloc();
	if (!pfn) return -ENOMEM;
	*p = (struct pipe){ .page = va_of(pfn), .readers = 1 };
	int a = file_install(&read_end, p), b;
	if (a < 0) p->readers = 0, give_back(p);
	if (a < 0) return a;
	p->writers = 1;
	b = file_install(&write_end, p);
	if (b < 0) {
		p->writers = 0;
		file_close(a);
		return b;
	}
	fds[0] = a;
	fds[1] = b;
	return 0;
}
