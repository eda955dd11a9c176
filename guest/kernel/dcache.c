/* Names: a hash of (directory, name), which also remembers that a file is not there, and the walk along a path. */
#include "fs.h"

#define DENTRIES 1100
#define BUCKETS 512
static struct dentry dentries[DENTRIES], *buckets[BUCKETS], *root;
static u32 hand;

static u32 bucket_of(const struct dentry *parent, u32 hash)
{
	hash += (u32)parent / sizeof(struct dentry);
	return (hash ^ hash >> 8 ^ hash >> 16) % BUCKETS;
}

static void unhash(struct dentry *d)
{
	struct dentry **at = &buckets[bucket_of(d->parent, d->hash)];
	while (*at && *at != d) at = &(*at)->chain;
	if (*at) *at = d->chain;
}

/* Gives a name up. Its file may go with it, which can sleep. */
static void forget(struct dentry *d)
{
	struct inode *i = d->inode;
	struct dentry *parent = d->parent;
	unhash(d);
	d->inode = NULL;
	d->parent = NULL;
	d->len = d->used = 0;
	if (parent) dentry_put(parent);
	if (i) inode_put(i);
}

static struct dentry *fresh(void)
{
	for (u32 turns = 0; turns < 3 * DENTRIES; turns++) {
		struct dentry *d = &dentries[hand++ % DENTRIES];
		if (d->refs) continue;
		if (d->used) { d->used = 0; continue; }
		if (d->len) forget(d);
		return d;
	}
	return NULL;
}

void dentry_put(struct dentry *d)
{
	if (--d->refs || !d->unlinked) return;
	d->unlinked = 0;
	forget(d);
}

static u32 hash_of(const char *name, u32 len)
{
	u32 h = 0;
	while (len--) {
		u8 c = *name++;
		h = (h + (c << 4) + (c >> 4)) * 11;
	}
	return h;
}

static struct dentry *cached(struct dentry *dir, const char *name, u32 len, u32 hash)
{
	for (struct dentry *d = buckets[bucket_of(dir, hash)]; d; d = d->chain) {
		if (d->hash != hash || d->parent != dir || d->len != len || memcmp(d->name, name, len)) continue;
		d->refs++;
		d->used = 1;
		return d;
	}
	return NULL;
}

static struct dentry *insert(struct dentry *dir, const char *name, u32 len, u32 hash, struct inode *i)
{
	struct dentry *d = fresh();
	if (!d) return NULL;
	*d = (struct dentry){ .parent = dir, .inode = i, .hash = hash, .refs = 1, .used = 1, .len = len };
	memcpy(d->name, name, len);
	if (dir) dir->refs++;
	d->chain = buckets[bucket_of(dir, hash)];
	buckets[bucket_of(dir, hash)] = d;
	return d;
}

int dentry_child(struct dentry *dir, const char *name, u32 len, struct dentry **found)
{
	u32 hash = hash_of(name, len);
	if ((*found = cached(dir, name, len, hash))) return 0;
	FS_LOCKED;
	if ((*found = cached(dir, name, len, hash))) return 0;   /* somebody was faster */
	int err = 0, ino = dir->inode->ops->lookup(dir->inode, name, len);
	if (ino < 0 && ino != -ENOENT) return ino;
	struct inode *i = ino > 0 ? inode_get(dir->inode->ops, ino, &err) : NULL;
	if (err) return err;
	if ((*found = insert(dir, name, len, hash, i))) return 0;
	if (i) inode_put(i);
	return -ENFILE;
}

/* The walk but for the last name, which begins at *last. Its directory is held. */
int path_walk_parent(const char *path, struct dentry **dir, const char **last, u32 *len)
{
	struct dentry *d = root, *next;
	d->refs++;
	for (;;) {
		while (*path == '/') path++;
		u32 n = 0;
		while (path[n] && path[n] != '/') n++;
		int err = n > NAME_MAX ? -ENAMETOOLONG : (d->inode->mode & S_IFMT) != S_IFDIR ? -ENOTDIR : !(d->inode->mode & 0111) ? -EACCES : 0;
		const char *rest = path + n;
		while (*rest == '/') rest++;
		if (!err && !*rest) {
			*dir = d;
			*last = path;
			*len = n;
			return 0;
		}
		if (!err && !(n == 1 && *path == '.')) {
			if (!(err = dentry_child(d, path, n, &next))) {
				dentry_put(d);
				d = next;
				if (!d->inode) err = -ENOENT;
			}
		}
		if (err) {
			dentry_put(d);
			return err;
		}
		path = rest;
	}
}

int path_walk(const char *path, struct dentry **found)
{
	struct dentry *dir;
	const char *last;
	u32 len;
	int err = path_walk_parent(path, &dir, &last, &len);
	if (err) return err;
	if (!len) { *found = dir; return path[0] ? 0 : (dentry_put(dir), -ENOENT); }   /* the root; "" is nothing */
	err = dentry_child(dir, last, len, found);
	dentry_put(dir);
	if (err || (*found)->inode) return err;
	dentry_put(*found);
	return -ENOENT;
}

/* The file's name is gone from its directory; whoever has it open keeps it. */
void dentry_gone(struct dentry *d)
{
	if (d->refs > 1) {                        /* found by nobody any more, and freed with the last reference */
		unhash(d);
		d->unlinked = 1;
		return;
	}
	struct inode *i = d->inode;
	d->inode = NULL;                          /* remembered as not being there */
	inode_put(i);
}

/* For what is in no directory: names that the cache keeps for good. */
struct dentry *dentry_pin(struct dentry *parent, const char *name, struct inode *i)
{
	u32 len = strlen(name);
	return insert(parent ? parent : root, name, len, hash_of(name, len), i);
}

int dcache_init(struct inode *i)
{
	root = insert(NULL, "/", 1, 0, i);
	return root ? 0 : -ENFILE;
}
