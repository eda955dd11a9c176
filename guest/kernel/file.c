/* File descriptors: what read, write, select and close do depends on the file's operations. */
#include "fs.h"

static struct file files[512];

/* --- the console: 0, 1 and 2 until something else is put there --- */

static int nothing_to_read(struct file *f, void *buf, u32 n) { return 0; }
static int console_out(struct file *f, const void *buf, u32 n) { console_write(buf, n); return n; }
static u32 always_ready(struct file *f, struct poll_table *t) { return POLL_IN | POLL_OUT; }
static const struct file_ops console_ops = { .read = nothing_to_read, .write = console_out, .poll = always_ready };
static struct file console = { &console_ops, 1 };

/* --- descriptors --- */

struct file *file_get(int fd)
{
	if (fd < 0 || fd >= NFD) return NULL;
	if (current->fd[fd]) return current->fd[fd];
	return fd < 3 ? &console : NULL;
}

int file_install(const struct file_ops *ops, void *data)
{
	static u32 next;
	int fd = 3;
	while (fd < NFD && current->fd[fd]) fd++;
	if (fd == NFD) return -EMFILE;
	for (u32 i = 0; i < countof(files); i++) {
		struct file *f = &files[next++ % countof(files)];
		if (f->refs) continue;
		*f = (struct file){ .ops = ops, .refs = 1, .data = data };
		current->fd[fd] = f;
		if (current->fd_end <= fd) current->fd_end = fd + 1;
		return fd;
	}
	return -ENFILE;
}

int file_close(int fd)
{
	if (fd < 0 || fd >= NFD || !current->fd[fd]) return -EBADF;
	struct file *f = current->fd[fd];
	current->fd[fd] = NULL;
	if (--f->refs) return 0;
	if (f->ops->release) f->ops->release(f);
	if (f->name) dentry_put(f->name);
	return 0;
}

int file_dup2(int from, int to)
{
	struct file *f = file_get(from);
	if (!f || to < 0 || to >= NFD) return -EBADF;
	if (f == file_get(to)) return to;
	f->refs++;
	file_close(to);
	current->fd[to] = f;
	if (current->fd_end <= to) current->fd_end = to + 1;
	return to;
}

void file_close_all(void)
{
	for (int fd = 0; fd < current->fd_end; fd++)
		if (current->fd[fd]) file_close(fd);
}

void file_dup_all(struct proc *child)
{
	child->fd_end = current->fd_end;
	for (int fd = 0; fd < current->fd_end; fd++)
		if ((child->fd[fd] = current->fd[fd])) child->fd[fd]->refs++;
}

int file_read(int fd, void *buf, u32 n)
{
	struct file *f = file_get(fd);
	return f && f->ops->read ? f->ops->read(f, buf, n) : -EBADF;
}

int file_write(int fd, const void *buf, u32 n)
{
	struct file *f = file_get(fd);
	return f && f->ops->write ? f->ops->write(f, buf, n) : -EBADF;
}
