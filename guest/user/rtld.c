/* ld.so, the dynamic loader: maps the libraries a program needs, relocates them, binds symbols by their names (functions when they
 * are first called), and starts the program. By the System V ABI, Intel386 supplement, chapter 5. */
#include "user.h"

#define PAGE 4096u
struct dyn { int tag; u32 value; };
struct sym { u32 name, value, size; u8 info, other; u16 section; };
struct rel { u32 offset, info; };
struct elf { u8 ident[16]; u16 type, machine; u32 version, entry, phoff, shoff, flags; u16 ehsize, phentsize, phnum; };
struct segment { u32 type, offset, vaddr, paddr, filesz, memsz, flags, align; };
enum { PT_LOAD = 1, PT_DYNAMIC = 2, AT_PHDR = 3, AT_PHNUM = 5, AT_BASE = 7, AT_ENTRY = 9 };
enum { NEEDED = 1, PLTRELSZ, PLTGOT, HASH, STRTAB, SYMTAB, INIT = 12, REL = 17, RELSZ, JMPREL = 23, TAGS };
enum { VERSYM = 0x6ffffff0, VERDEF = 0x6ffffffc, VERNEED = 0x6ffffffe };
enum { VERSION_HIDDEN = 0x8000 };
enum { R_32 = 1, R_PC32 = 2, R_COPY = 5, R_GLOB_DAT, R_JMP_SLOT, R_RELATIVE };

/* Symbol versions, by the GNU extension (LSB, "Symbol Versioning"): what a file defines, what it needs of which file. */
struct verdef { u16 revision, flags, index, count; u32 hash, aux, next; };
struct verneed { u16 revision, count; u32 file, aux, next; };
struct vernaux { u32 hash; u16 flags, other; u32 name, next; };
struct version { u32 hash; const char *name; };
#define VERSIONS 16

struct object {
	u32 base, tag[TAGS];
	const u16 *versym;
	const struct verdef *verdef;
	const struct verneed *verneed;
	struct version versions[VERSIONS];        /* by the index that versym has */
	const struct dyn *dynamic;
	struct object *next;
};
static struct object objects[8], *first;
static u32 count, bind_now;
extern struct dyn _DYNAMIC[] __attribute__((visibility("hidden")));
void rtld_resolve(void);

static void __attribute__((noreturn)) die(const char *what, const char *name)
{
	char line[128];
	write(2, line, format(line, sizeof line, "ld.so: %s: %s\n", what, name));
	for (;;) exit(127);
}

static void read_dynamic(struct object *o, const struct dyn *d)
{
	o->dynamic = d;
	for (; d->tag; d++) {
		if (d->tag > NEEDED && d->tag < TAGS) o->tag[d->tag] = d->value + (d->tag == PLTRELSZ || d->tag == RELSZ ? 0 : o->base);
		else if (d->tag == VERSYM) o->versym = (u16 *)(o->base + d->value);
		else if (d->tag == VERDEF) o->verdef = (struct verdef *)(o->base + d->value);
		else if (d->tag == VERNEED) o->verneed = (struct verneed *)(o->base + d->value);
	}
}

static void set_version(struct object *o, u32 index, u32 hash, u32 name)
{
	index &= ~VERSION_HIDDEN;
	if (index >= VERSIONS) die("too many versions in", (char *)o->tag[STRTAB] + name);
	o->versions[index] = (struct version){ hash, (char *)o->tag[STRTAB] + name };
}

#define NEXT(p) ((p)->next ? (void *)((u32)(p) + (p)->next) : NULL)
static void read_versions(struct object *o)
{
	for (const struct verdef *d = o->verdef; d; d = NEXT(d)) set_version(o, d->index, d->hash, *(u32 *)((u32)d + d->aux));
	for (const struct verneed *n = o->verneed; n; n = NEXT(n))
		for (const struct vernaux *a = (void *)((u32)n + n->aux); a; a = NEXT(a)) set_version(o, a->other, a->hash, a->name);
}

static int same_version(const struct version *a, const struct version *b) { return a->hash == b->hash && !strcmp(a->name, b->name); }

static int defines(const struct object *o, const struct version *wanted)
{
	for (const struct verdef *d = o->verdef; d; d = NEXT(d))
		if (same_version(&o->versions[d->index & ~VERSION_HIDDEN], wanted)) return 1;
	return 0;
}

/* Every version that a file needs is there, before anything is bound. */
static void check_versions(const struct object *o)
{
	for (const struct verneed *n = o->verneed; n; n = NEXT(n))
		for (const struct vernaux *a = (void *)((u32)n + n->aux); a; a = NEXT(a)) {
			const struct version *wanted = &o->versions[a->other & ~VERSION_HIDDEN];
			const struct object *by = first;
			while (by && !defines(by, wanted)) by = by->next;
			if (!by) die("nobody defines version", wanted->name);
		}
}

static u32 hash_name(const char *name)
{
	u32 h = 0, g;
	for (; *name; name++) {
		h = (h << 4) + (u8)*name;
		if ((g = h & 0xF0000000)) h ^= g >> 24;
		h &= ~g;
	}
	return h;
}

/* Whether a definition is of the version that is wanted; any but a superseded one will do for a reference without. */
static int matches(const struct object *o, u32 symbol, const struct version *wanted)
{
	if (!o->versym) return 1;
	u32 index = o->versym[symbol];
	return wanted ? same_version(&o->versions[index & ~VERSION_HIDDEN], wanted) : !(index & VERSION_HIDDEN);
}

static const struct sym *in_object(const struct object *o, const char *name, u32 h, const struct version *wanted)
{
	const u32 *table = (u32 *)o->tag[HASH];
	const struct sym *symbols = (struct sym *)o->tag[SYMTAB];
	for (u32 i = table[2 + h % table[0]]; i; i = table[2 + table[0] + i])
		if (symbols[i].section && !strcmp((char *)o->tag[STRTAB] + symbols[i].name, name) && matches(o, i, wanted)) return &symbols[i];
	return NULL;
}

/* Searched in the order of loading, the program first; but not in `but`. */
static const struct sym *find(const char *name, const struct version *wanted, const struct object *but, const struct object **where)
{
	u32 h = hash_name(name);
	for (const struct object *o = first; o; o = o->next) {
		const struct sym *s = o == but ? NULL : in_object(o, name, h, wanted);
		if (s) { *where = o; return s; }
	}
	die("undefined symbol", name);
}

static u32 address_of(const struct object *o, u32 info, const struct object *but, u32 *size)
{
	const struct sym *s = (struct sym *)o->tag[SYMTAB] + (info >> 8);
	const struct version *wanted = o->versym ? &o->versions[o->versym[info >> 8] & ~VERSION_HIDDEN] : NULL;
	const struct object *where;
	s = find((char *)o->tag[STRTAB] + s->name, wanted && wanted->name ? wanted : NULL, but, &where);
	if (size) *size = s->size;
	return where->base + s->value;
}

static void relocate(struct object *o)
{
	const struct rel *r = (struct rel *)o->tag[REL], *end = r + o->tag[RELSZ] / sizeof *r;
	u32 *got = (u32 *)o->tag[PLTGOT], size;
	for (; r < end; r++) {
		u32 *at = (u32 *)(o->base + r->offset);
		switch (r->info & 0xFF) {
		case R_RELATIVE: *at += o->base; break;
		case R_GLOB_DAT: *at = address_of(o, r->info, NULL, NULL); break;
		case R_32: *at += address_of(o, r->info, NULL, NULL); break;
		case R_PC32: *at += address_of(o, r->info, NULL, NULL) - (u32)at; break;
		case R_COPY: {
			const void *from = (void *)address_of(o, r->info, o, &size);
			memcpy(at, from, size);
			break;
		}
		default: die("unknown relocation in", (char *)o->tag[STRTAB]);
		}
	}
	for (r = (struct rel *)o->tag[JMPREL], end = r + o->tag[PLTRELSZ] / sizeof *r; r < end; r++)
		*(u32 *)(o->base + r->offset) = bind_now ? address_of(o, r->info, NULL, NULL)
			: *(u32 *)(o->base + r->offset) + o->base;   /* back into the table, until the function is called */
	if (!got) return;
	got[1] = (u32)o;
	got[2] = (u32)rtld_resolve;
}

__attribute__((visibility("hidden"))) u32 rtld_bind(struct object *o, u32 offset)
{
	const struct rel *r = (struct rel *)(o->tag[JMPREL] + offset);
	return *(u32 *)(o->base + r->offset) = address_of(o, r->info, NULL, NULL);
}

static void *map(u32 at, u32 len, u32 prot, int fd, u32 offset)
{
	int r;
	asm volatile("int $0x80" : "=a"(r) : "0"(SYS_mmap2), "b"(at), "c"(len), "d"(prot), "S"(fd), "D"(offset) : "memory");
	return (void *)r;
}

/* Where a library is: the cache has a line "name path" for each. */
static int open_library(const char *name)
{
	struct stat st;
	char path[64];
	int cache = open("/etc/ld.so.cache", 0), fd = -ENOENT;
	if (cache < 0 || fstat(cache, &st)) die("no cache for", name);
	const char *lines = mmap(st.size, PROT_READ, cache, 0);
	close(cache);
	u32 n = strlen(name);
	for (const char *p = lines; p < lines + st.size; p++) {
		if (!strncmp(p, name, n) && p[n] == ' ') {
			u32 len = 0;
			for (p += n + 1; *p != '\n' && len + 1 < sizeof path; p++) path[len++] = *p;
			path[len] = 0;
			fd = open(path, 0);
			break;
		}
		while (p < lines + st.size && *p != '\n') p++;
	}
	munmap((void *)lines, st.size);
	return fd;
}

static void map_data(const struct segment *s, u32 base, int fd)
{
	u32 start = (base + s->vaddr) & ~(PAGE - 1), file_end = base + s->vaddr + s->filesz, end = base + s->vaddr + s->memsz;
	u32 file_top = (file_end + PAGE - 1) & ~(PAGE - 1), top = (end + PAGE - 1) & ~(PAGE - 1);
	if (MAP_FAILED(map(start, file_end - start, PROT_READ | PROT_WRITE, fd, s->offset & ~(PAGE - 1)))) die("cannot map", "data");
	if (end > file_end) memset((void *)file_end, 0, (end < file_top ? end : file_top) - file_end);
	if (top > file_top && MAP_FAILED(map(file_top, top - file_top, PROT_READ | PROT_WRITE, -1, 0))) die("cannot map", "data");
}

/* One mapping of the whole, which also keeps the place; its writable part is mapped again over it. */
static void load(const char *name)
{
	u8 head[512];
	int fd = open_library(name);
	if (fd < 0 || read(fd, head, sizeof head) != sizeof head) die("cannot open", name);
	const struct elf *h = (void *)head;
	const struct segment *s = (void *)(head + h->phoff), *stop = s + h->phnum;
	u32 span = 0, dynamic = 0;
	for (const struct segment *p = s; p < stop; p++) {
		if (p->type == PT_LOAD && p->vaddr + p->memsz > span) span = p->vaddr + p->memsz;
		if (p->type == PT_DYNAMIC) dynamic = p->vaddr;
	}
	void *at = map(0, span, PROT_READ | PROT_EXEC, fd, 0);
	if (MAP_FAILED(at)) die("cannot map", name);
	for (const struct segment *p = s; p < stop; p++)
		if (p->type == PT_LOAD && p->flags & 2) map_data(p, (u32)at, fd);
	close(fd);
	struct object *o = &objects[count++];
	o->base = (u32)at;
	o[-1].next = o;
	read_dynamic(o, (struct dyn *)(o->base + dynamic));
}

static void read_environment(char **envp)
{
	for (; *envp; envp++)
		if (!strncmp(*envp, "LD_", 3) && !strncmp(*envp, "LD_BIND_NOW=", 12)) bind_now = (*envp)[12] != 0;
}

__attribute__((visibility("hidden"))) u32 rtld_main(u32 *sp)
{
	u32 argc = sp[0], *aux = sp + 1 + argc + 1, have[10] = { 0 };
	char **argv = (char **)sp + 1, **envp = (char **)aux;
	while (*aux++) {}
	for (; aux[0]; aux += 2)
		if (aux[0] < countof(have)) have[aux[0]] = aux[1];
	u32 base = have[AT_BASE], rel = 0, size = 0;
	for (const struct dyn *d = _DYNAMIC; d->tag; d++) {
		if (d->tag == REL) rel = base + d->value;
		if (d->tag == RELSZ) size = d->value;
	}
	for (const struct rel *r = (struct rel *)rel; r < (struct rel *)(rel + size); r++) *(u32 *)(base + r->offset) += base;   /* ourselves */

	struct stat preload;
	read_environment(envp);
	if (!stat("/etc/ld.so.preload", &preload)) die("preloading is not done", "/etc/ld.so.preload");
	first = &objects[count++];
	const struct segment *s = (void *)have[AT_PHDR];
	for (u32 i = 0; i < have[AT_PHNUM]; i++, s++)
		if (s->type == PT_DYNAMIC) read_dynamic(first, (struct dyn *)s->vaddr);
	for (struct object *o = first; o; o = o->next)
		for (const struct dyn *d = o->dynamic; d->tag; d++)
			if (d->tag == NEEDED && count < countof(objects)) load((char *)o->tag[STRTAB] + d->value);
	for (u32 i = 0; i < count; i++) read_versions(&objects[i]);
	for (u32 i = 0; i < count; i++) check_versions(&objects[i]);
	for (u32 i = count; i-- > 0;) relocate(&objects[i]);
	for (u32 i = count; i-- > 0;)
		if (objects[i].tag[INIT]) ((void (*)(int, char **, char **))objects[i].tag[INIT])(argc, argv, envp);
	return have[AT_ENTRY];
}
