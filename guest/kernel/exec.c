/* Starting a program: an ELF file's segments become regions, its interpreter's too, and the stack says what is where. */
#include "kernel.h"

struct elf_header { u8 ident[16]; u16 type, machine; u32 version, entry, phoff, shoff, flags; u16 ehsize, phentsize, phnum; };
struct elf_segment { u32 type, offset, vaddr, paddr, filesz, memsz, flags, align; };
enum { PT_LOAD = 1, PT_INTERP = 3, PF_X = 1, PF_W = 2, ET_DYN = 3 };
enum { AT_PHDR = 3, AT_PHENT = 4, AT_PHNUM = 5, AT_PAGESZ = 6, AT_BASE = 7, AT_ENTRY = 9 };
#define INTERPRETER_BASE MMAP_BASE
#define SEGMENTS 8

/* A program's headers, and where its bytes beyond the file begin. */
struct object {
	struct inode *file;
	struct elf_header h;
	struct elf_segment seg[SEGMENTS];
	u32 bias, end, tail[SEGMENTS], tails;
};

static u32 up(u32 at) { return (at + PAGE - 1) & ~(PAGE - 1); }

static int read_headers(struct object *o, const char *path)
{
	if (!(o->file = exec_inode(path))) return -ENOENT;
	int n = inode_read(o->file, 0, &o->h, sizeof o->h);
	if (n != sizeof o->h || memcmp(o->h.ident, "\177ELF", 4) || o->h.phnum > SEGMENTS || o->h.phentsize != sizeof o->seg[0]) return -ENOEXEC;
	u32 bytes = o->h.phnum * sizeof o->seg[0];
	return inode_read(o->file, o->h.phoff, o->seg, bytes) == (int)bytes ? 0 : -ENOEXEC;
}

static int map_segment(struct object *o, const struct elf_segment *s, struct mm *mm)
{
	u32 at = s->vaddr + o->bias, start = at & ~(PAGE - 1), file_end = at + s->filesz, end = at + s->memsz;
	u32 prot = PROT_READ | (s->flags & PF_W ? PROT_WRITE : 0) | (s->flags & PF_X ? PROT_EXEC : 0);
	if (s->memsz < s->filesz || end < at || end > USER_TOP - STACK_PAGES * PAGE || (at ^ s->offset) & (PAGE - 1)) return -ENOEXEC;
	int err = s->filesz ? vm_map(mm, &(struct vma){ .start = start, .end = up(file_end), .prot = prot, .inode = o->file,
		.offset = s->offset & ~(PAGE - 1) }) : 0;
	if (!err && up(end) > up(file_end))
		err = vm_map(mm, &(struct vma){ .start = s->filesz ? up(file_end) : start, .end = up(end), .prot = prot });
	if (s->memsz > s->filesz && file_end & (PAGE - 1) && s->filesz) o->tail[o->tails++] = file_end;
	if (end > o->end) o->end = end;
	return err ? -ENOEXEC : 0;
}

static int map_object(struct object *o, struct mm *mm)
{
	int err = 0;
	for (u32 i = 0; i < o->h.phnum && !err; i++)
		if (o->seg[i].type == PT_LOAD && o->seg[i].memsz) err = map_segment(o, &o->seg[i], mm);
	return err;
}

static void clear_tails(const struct object *o)
{
	for (u32 i = 0; i < o->tails; i++) memset((void *)o->tail[i], 0, up(o->tail[i]) - o->tail[i]);
}

static int interpreter(struct object *program, struct object *with)
{
	char path[32];
	for (u32 i = 0; i < program->h.phnum; i++) {
		const struct elf_segment *s = &program->seg[i];
		if (s->type != PT_INTERP) continue;
		if (s->filesz > sizeof path || inode_read(program->file, s->offset, path, s->filesz) != (int)s->filesz) return -ENOEXEC;
		path[sizeof path - 1] = 0;
		with->bias = INTERPRETER_BASE;
		int err = read_headers(with, path);
		return err ? err : with->h.type == ET_DYN ? 0 : -ENOEXEC;
	}
	return 0;
}

/* argc, the arguments, 0, the environment, 0, what the loader has to know. */
static u32 fill_stack(char **argv, u32 argc, char **envp, u32 envc, const struct object *o, const struct object *ld)
{
	u32 auxiliary[][2] = { { AT_PHDR, o->seg[0].vaddr - o->seg[0].offset + o->h.phoff }, { AT_PHENT, o->h.phentsize }, { AT_PHNUM, o->h.phnum },
		{ AT_PAGESZ, PAGE }, { AT_BASE, ld->bias }, { AT_ENTRY, o->h.entry }, { 0, 0 } };
	for (u32 i = 0; i < o->h.phnum; i++)
		if (o->seg[i].type == PT_LOAD && !o->seg[i].offset) auxiliary[0][1] = o->seg[i].vaddr + o->h.phoff;
	u32 at = USER_TOP - 16, bytes = 0;
	for (u32 i = 0; i < argc; i++) bytes += strlen(argv[i]) + 1;
	for (u32 i = 0; i < envc; i++) bytes += strlen(envp[i]) + 1;
	at -= bytes;
	u32 *sp = (u32 *)((at & ~15u) - 4 * (argc + envc + 3) - sizeof auxiliary), *to = (u32 *)((u32)sp & ~15u);
	sp = to;
	*to++ = argc;
	for (u32 i = 0; i <= argc + envc; i++) {
		if (i == argc) *to++ = 0;
		if (i == argc + envc) break;
		const char *from = i < argc ? argv[i] : envp[i - argc];
		u32 n = strlen(from) + 1;
		*to++ = at;
		memcpy((void *)at, from, n);
		at += n;
	}
	*to++ = 0;
	memcpy(to, auxiliary, sizeof auxiliary);
	return (u32)sp;
}

static int prepare(const char *path, struct object *o, struct object *ld, struct mm *mm)
{
	int err = read_headers(o, path);
	if (!err) err = interpreter(o, ld);
	if (!err) err = map_object(o, mm);
	if (!err && ld->file) err = map_object(ld, mm);
	if (!err) err = vm_map(mm, &(struct vma){ .start = USER_TOP - STACK_PAGES * PAGE, .end = USER_TOP, .prot = PROT_READ | PROT_WRITE });
	return err;
}

/* The strings are the kernel's, together less than a page. */
int do_exec(const char *path, char **argv, u32 argc, char **envp, u32 envc, struct regs *r)
{
	struct object o = { NULL }, ld = { NULL };
	struct mm *mm = mm_new(), *old = current->mm;
	int err = mm ? prepare(path, &o, &ld, mm) : -ENOMEM;
	if (o.file) inode_put(o.file);            /* the regions hold it */
	if (ld.file) inode_put(ld.file);
	if (err) {
		if (mm) mm_free(mm);
		return err;
	}
	mm->brk = mm->brk_start = up(o.end);
	/* The old space goes only now: a failed exec leaves the caller as it was. */
	mm_activate(mm);
	current->mm = mm;
	arch_load(mm);
	if (old) mm_free(old);
	for (u32 i = 1; i < NSIG; i++)
		if (current->sig[i].handler != SIG_IGN) current->sig[i].handler = SIG_DFL;
	clear_tails(&o);
	clear_tails(&ld);
	memset(r, 0, sizeof *r);
	r->esp = fill_stack(argv, argc, envp, envc, &o, &ld);
	r->eip = ld.bias ? ld.bias + ld.h.entry : o.h.entry;
	r->cs = USER_CS;
	r->ss = r->ds = r->es = USER_DS;
	r->eflags = 0x202;
	return 0;
}
