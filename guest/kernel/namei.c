/* What system calls do with names, and the tree of the kernel's own files: /bin, /lib and /etc from its image, /dev. */
#include "fs.h"

/* --- regular files --- */

static int regular_read(struct file *f, void *buf, u32 n)
{
	struct inode *i = f->name->inode;
	int got = i->ops->read(i, f->pos, buf, n);
	if (got > 0) f->pos += got;
	return got;
}

static int regular_write(struct file *f, const void *buf, u32 n)
{
	struct inode *i = f->name->inode;
	if (f->flags & O_APPEND) f->pos = i->size;
	int put = i->ops->write(i, f->pos, buf, n);
	if (put > 0) f->pos += put;
	if (put > 0 && f->flags & O_SYNC) i->ops->sync(i);
	return put;
}

static u32 always_ready(struct file *f, struct poll_table *t) { return POLL_IN | POLL_OUT; }
const struct file_ops regular_ops = { .read = regular_read, .write = regular_write, .poll = always_ready };

/* --- devices --- */

static int null_read(struct file *f, void *buf, u32 n) { return 0; }
static int null_write(struct file *f, const void *buf, u32 n) { return n; }
static int zero_read(struct file *f, void *buf, u32 n) { memset(buf, 0, n); return n; }
static const struct file_ops null_ops = { .read = null_read, .write = null_write, .poll = always_ready };
static const struct file_ops zero_ops = { .read = zero_read, .write = null_write, .poll = always_ready };

/* --- system calls --- */

/* A new or an old name's file, held. */
static int find_or_create(const char *path, int flags, u32 mode, struct dentry **found)
{
	struct dentry *dir;
	const char *last;
	u32 len;
	int err = path_walk_parent(path, &dir, &last, &len);
	if (err) return err;
	if (!len) { dentry_put(dir); return -EISDIR; }
	FS_LOCKED;
	err = dentry_child(dir, last, len, found);
	if (!err && (*found)->inode && flags & O_EXCL) err = -EEXIST;
	else if (!err && !(*found)->inode) {
		struct inode *d = dir->inode;
		int ino = d->ops->create(d, last, len, mode);
		if (ino < 0 || !((*found)->inode = inode_get(d->ops, ino, &err))) err = ino < 0 ? ino : err;
	} else if (!err) {
		dentry_put(dir);
		return 0;
	}
	if (err && *found) dentry_put(*found);
	dentry_put(dir);
	return err;
}

int file_open(const char *path, int flags)
{
	struct dentry *d = NULL;
	int err = flags & O_CREAT ? find_or_create(path, flags, S_IFREG | 0644, &d) : path_walk(path, &d), fd = err;
	if (err) return err;
	struct inode *i = d->inode;
	if (!i->files) fd = -EISDIR;
	else if (flags & O_TRUNC && i->size && (err = i->ops->truncate(i))) fd = err;
	else if ((fd = file_install(i->files, NULL)) >= 0) {
		current->fd[fd]->name = d;
		current->fd[fd]->flags = flags;
		return fd;
	}
	dentry_put(d);
	return fd;
}

int file_unlink(const char *path)
{
	struct dentry *dir, *d;
	const char *last;
	u32 len;
	int err = path_walk_parent(path, &dir, &last, &len);
	if (err) return err;
	FS_LOCKED;
	err = len ? dentry_child(dir, last, len, &d) : -EISDIR;
	if (err) { dentry_put(dir); return err; }
	struct inode *i = d->inode;
	err = !i ? -ENOENT : (i->mode & S_IFMT) == S_IFDIR ? -EISDIR : dir->inode->ops->unlink(dir->inode, last, len);
	if (!err) dentry_gone(d);
	dentry_put(d);
	dentry_put(dir);
	return err;
}

int file_mkdir(const char *path)
{
	struct dentry *d = NULL;
	int err = find_or_create(path, O_EXCL, S_IFDIR | 0755, &d);
	if (!err) dentry_put(d);
	return err;
}

static void tell(const struct inode *i, struct stat *st)
{
	*st = (struct stat){ .ino = i->ino, .mode = i->mode, .links = i->links, .size = i->size, .block_size = PAGE, .sectors = i->sectors,
		.accessed = i->time, .modified = i->time, .changed = i->time };
}

int file_stat(const char *path, struct stat *st)
{
	struct dentry *d;
	int err = path_walk(path, &d);
	if (err) return err;
	tell(d->inode, st);
	dentry_put(d);
	return 0;
}

int file_fstat(int fd, struct stat *st)
{
	struct file *f = file_get(fd);
	if (!f || !f->name) return -EBADF;
	tell(f->name->inode, st);
	return 0;
}

int file_fsync(int fd)
{
	struct file *f = file_get(fd);
	if (!f || !f->name) return -EBADF;
	struct inode *i = f->name->inode;
	return i->ops->sync(i);
}

int file_seek(int fd, int offset, u32 whence)
{
	struct file *f = file_get(fd);
	if (!f || !f->name || whence > 2) return -EINVAL;
	u32 at = offset + (whence == 0 ? 0 : whence == 1 ? f->pos : f->name->inode->size);
	if ((int)at < 0) return -EINVAL;
	return f->pos = at;
}

/* Of a regular file that is open; not held. */
struct inode *file_inode(int fd)
{
	struct file *f = file_get(fd);
	return f && f->name && (f->name->inode->mode & S_IFMT) == S_IFREG ? f->name->inode : NULL;
}

struct inode *exec_inode(const char *path)
{
	struct dentry *d;
	if (path_walk(path, &d)) return NULL;
	struct inode *i = d->inode;
	int program = (i->mode & S_IFMT) == S_IFREG && i->mode & 0111;
	if (program) inode_hold(i);
	dentry_put(d);
	return program ? i : NULL;
}

int inode_page(struct inode *i, u32 index) { return i->ops->page(i, index); }
int inode_read(struct inode *i, u32 pos, void *buf, u32 n) { return i->ops->read(i, pos, buf, n); }

int fs_sync(void)
{
	FS_LOCKED;
	int err = inodes_store();
	return err ? err : cache_sync(0);
}

int fs_drop(void)
{
	FS_LOCKED;
	int err = fs_sync();
	if (!err) cache_drop();
	return err;
}

/* --- the tree --- */

/* archive.S: a path (24 bytes), start, end; an empty path ends the list. */
struct archived { char path[24]; const u8 *start, *end; };
extern const struct archived archive[];

int fs_mount(void)
{
	static const u8 here[1];
	struct inode *root = NULL;
	int err = ext2_mount(&root);
	if (err && err != -ENODEV) return err;
	if (err) root = ram_inode(S_IFDIR | 0755, NULL, NULL, 0);
	if (dcache_init(root)) return -ENFILE;
	struct dentry *dev = dentry_pin(NULL, "dev", ram_inode(S_IFDIR | 0755, NULL, here, 0)), *dir = NULL;
	dentry_pin(dev, "null", ram_inode(S_IFCHR | 0666, &null_ops, NULL, 0));
	dentry_pin(dev, "zero", ram_inode(S_IFCHR | 0666, &zero_ops, NULL, 0));
	for (const struct archived *a = archive; a->path[0]; a++) {   /* "dir/name", in order */
		char name[24];
		u32 slash = 0;
		while (a->path[slash] != '/') slash++;
		memcpy(name, a->path, slash);
		name[slash] = 0;
		if (!dir || strcmp(dir->name, name)) dir = dentry_pin(NULL, name, ram_inode(S_IFDIR | 0755, NULL, here, 0));
		dentry_pin(dir, a->path + slash + 1, ram_inode(S_IFREG | 0755, &regular_ops, a->start, a->end - a->start));
	}
	return 0;
}
