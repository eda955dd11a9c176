/* File descriptors: the console, files, pipes. */
#include "kernel.h"

struct pipe { u8 *page; u32 at, count, readers, writers; struct waitq can_read, can_write; };
struct file { enum { NONE, CONSOLE, DISKFILE, PIPE_READ, PIPE_WRITE } kind; u32 refs, ino, pos; struct pipe *pipe; };
static struct file files[128];
static struct pipe pipes[32];
static struct file console = { CONSOLE, 1, 0, 0, NULL };

static struct file *get(int fd)
{
	if (fd < 0 || fd >= NFD) return NULL;
	if (current->fd[fd]) return current->fd[fd];
	return fd < 3 ? &console : NULL;          /* 0, 1 and 2 are the console until something else is put there */
}

static int install(struct file **made)
{
	int fd = 3;
	while (fd < NFD && current->fd[fd]) fd++;
	if (fd == NFD) return -EMFILE;
	for (struct file *f = files; f < files + countof(files); f++)
		if (!f->refs) {
			*f = (struct file){ .refs = 1 };
			current->fd[fd] = *made = f;
			return fd;
		}
	return -ENFILE;
}

int file_open(const char *name, int create)
{
	int ino = fs_find(name, create);
	if (ino < 0) return ino;
	struct file *f;
	int fd = install(&f);
	if (fd < 0) return fd;
	f->kind = DISKFILE;
	f->ino = ino;
	return fd;
}

int file_ino(int fd)
{
	struct file *f = get(fd);
	return f && f->kind == DISKFILE ? (int)f->ino : -EBADF;
}

static void drop(struct file *f)
{
	if (--f->refs) return;
	struct pipe *p = f->pipe;
	if (f->kind == PIPE_READ) { p->readers--; wakeup(&p->can_write); }
	if (f->kind == PIPE_WRITE) { p->writers--; wakeup(&p->can_read); }
	if (p && !p->readers && !p->writers) {
		frame_drop(pfn_of(p->page));
		p->page = NULL;
	}
}

int file_close(int fd)
{
	if (fd < 0 || fd >= NFD || !current->fd[fd]) return -EBADF;
	drop(current->fd[fd]);
	current->fd[fd] = NULL;
	return 0;
}

void file_close_all(void)
{
	for (int fd = 0; fd < NFD; fd++)
		if (current->fd[fd]) file_close(fd);
}

void file_dup_all(struct proc *child)
{
	for (int fd = 0; fd < NFD; fd++)
		if ((child->fd[fd] = current->fd[fd])) child->fd[fd]->refs++;
}

int file_pipe(int *fds)
{
	struct pipe *p = pipes;
	while (p->page)
		if (++p == pipes + countof(pipes)) return -ENFILE;
	struct file *r, *w;
	int a = install(&r), b, err;
	if (a < 0) return a;
	b = install(&w);
	u32 pfn = b < 0 ? 0 : frame_alloc();
	if (!pfn) {
		err = b < 0 ? b : -ENOMEM;
		if (b >= 0) file_close(b);
		file_close(a);
		return err;
	}
	*p = (struct pipe){ .page = va_of(pfn), .readers = 1, .writers = 1 };
	r->kind = PIPE_READ;
	w->kind = PIPE_WRITE;
	r->pipe = w->pipe = p;
	fds[0] = a;
	fds[1] = b;
	return 0;
}

static int pipe_read(struct pipe *p, u8 *to, u32 n)
{
	irq_t flags = irq_save();
	while (!p->count) {
		if (!p->writers || !n) { irq_restore(flags); return 0; }
		if (signals_due()) { irq_restore(flags); return -EINTR; }
		sleep_on(&p->can_read);
	}
	irq_restore(flags);
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

static int pipe_write(struct pipe *p, const u8 *from, u32 n)
{
	u32 done = 0, part;
	while (done < n) {
		irq_t flags = irq_save();
		while (p->readers && p->count == PAGE) {
			if (signals_due()) { irq_restore(flags); return done ? (int)done : -EINTR; }
			sleep_on(&p->can_write);
		}
		irq_restore(flags);
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

int file_read(int fd, void *buf, u32 n)
{
	struct file *f = get(fd);
	if (!f) return -EBADF;
	if (f->kind == CONSOLE) return 0;         /* nobody types here */
	if (f->kind == PIPE_READ) return pipe_read(f->pipe, buf, n);
	if (f->kind != DISKFILE) return -EBADF;
	int got = fs_read(f->ino, f->pos, buf, n);
	if (got > 0) f->pos += got;
	return got;
}

int file_write(int fd, const void *buf, u32 n)
{
	struct file *f = get(fd);
	if (!f) return -EBADF;
	if (f->kind == CONSOLE) { console_write(buf, n); return n; }
	if (f->kind == PIPE_WRITE) return pipe_write(f->pipe, buf, n);
	if (f->kind != DISKFILE) return -EBADF;
	int put = fs_write(f->ino, f->pos, buf, n);
	if (put > 0) f->pos += put;
	return put;
}
