/* Processes: run queue, fork, exec, exit, wait, signals. The kernel itself is never preempted. */
#include "kernel.h"

static struct proc procs[NPROC];              /* procs[0] is the idle loop, pid 1 is init */
static struct proc *run_head, *run_tail, *init_proc;
struct proc *current = procs;
volatile int need_resched;
volatile u32 jiffies;
static int last_pid;
#define SLICE 3                               /* ticks */

static void enqueue(struct proc *p)
{
	p->state = RUNNABLE;
	p->next = NULL;
	if (run_head) run_tail->next = p;
	else run_head = p;
	run_tail = p;
}

void schedule(void)
{
	irq_t flags = irq_save();
	struct proc *prev = current, *next;
	need_resched = 0;
	if (prev->state == RUNNABLE && prev != procs) enqueue(prev);
	next = run_head ? run_head : procs;
	if (run_head) run_head = run_head->next;
	if (next != prev) {
		next->slice = SLICE;
		current = next;
		/* The idle loop has no user half and borrows whatever is loaded. */
		arch_switch(next, next->mm && next->mm != loaded_mm ? next->mm : NULL);
		switch_stacks(prev, next);
	}
	irq_restore(flags);
}

void wait_add(struct waitq *q, struct waiter *w)
{
	w->next = q->head;
	w->at = &q->head;
	if (w->next) w->next->at = &w->next;
	q->head = w;
}

void wait_remove(struct waiter *w)
{
	*w->at = w->next;
	if (w->next) w->next->at = w->at;
}

static void make_runnable(struct proc *p)
{
	if (p->state != SLEEPING) return;
	enqueue(p);
	if (current == procs) need_resched = 1;
}

void sleep_on(struct waitq *q)
{
	struct waiter w = { current };
	wait_add(q, &w);
	current->state = SLEEPING;
	schedule();
	wait_remove(&w);
}

/* Sleepers leave their queue themselves, once they run. */
void wakeup(struct waitq *q)
{
	irq_t flags = irq_save();
	for (struct waiter *w = q->head; w; w = w->next) make_runnable(w->proc);
	irq_restore(flags);
}

static void interrupt_sleep(struct proc *p)
{
	irq_t flags = irq_save();
	make_runnable(p);
	irq_restore(flags);
}

struct waitq every_tick;

void tick(void)
{
	jiffies++;
	if (every_tick.head) wakeup(&every_tick);
	net_tick();
	if (current == procs || --current->slice <= 0) need_resched = 1;
}

static struct proc *proc_new(void)
{
	for (struct proc *p = procs + 1; p < procs + NPROC; p++) {
		if (p->state != FREE) continue;
		u8 *stack = p->kstack;                /* kept from the slot's last owner */
		if (!stack) {
			u32 pfn = frame_alloc();
			if (!pfn) return NULL;
			stack = va_of(pfn);
		}
		memset(p, 0, sizeof *p);
		p->kstack = stack;
		p->pid = ++last_pid;
		p->parent = current;
		return p;
	}
	return NULL;
}

/* A first stack for switch_stacks to pop: four registers, then where to go, then (optionally) where that returns. */
static void first_stack(struct proc *p, void (*to)(void), void (*then)(void))
{
	u32 *sp = (u32 *)user_regs(p);            /* where ret_from_fork expects the stack */
	if (then) *--sp = (u32)then;
	*--sp = (u32)to;
	sp -= 4;
	memset(sp, 0, 16);
	p->ksp = (u32)sp;
}

static const char *boot_command;

static void init_thread(void)
{
	irq_enable();
	int err = fs_mount();
	if (err && err != -ENODEV) panic("the disk cannot be used: error %d", -err);
	net_init(boot_command);
	char *argv[] = { "init", (char *)boot_command };
	err = do_exec("init", argv, 2, user_regs(current));
	if (err) panic("no init: error %d", -err);
}                                             /* returns to ret_from_fork, and so to user mode */

void kernel_main(const char *cmdline)
{
	current->state = RUNNABLE;
	boot_command = cmdline;
	init_proc = proc_new();
	memset(user_regs(init_proc), 0, sizeof(struct regs));
	first_stack(init_proc, init_thread, ret_from_fork);
	enqueue(init_proc);
	irq_enable();
	for (;;) {
		irq_disable();
		if (run_head) {
			schedule();
			irq_enable();
		} else {
			arch_idle();
		}
	}
}

int do_fork(struct regs *r)
{
	struct proc *p = proc_new();
	if (!p) return -ENOMEM;
	p->mm = mm_new();
	if (!p->mm) return -ENOMEM;
	if (mm_fork(p->mm, current->mm)) {
		mm_free(p->mm);
		return -ENOMEM;
	}
	memcpy(p->sig, current->sig, sizeof p->sig);
	p->blocked = current->blocked;
	file_dup_all(p);
	*user_regs(p) = *r;
	user_regs(p)->eax = 0;
	first_stack(p, ret_from_fork, NULL);
	irq_t flags = irq_save();
	enqueue(p);
	irq_restore(flags);
	return p->pid;
}

struct elf_header { u8 ident[16]; u16 type, machine; u32 version, entry, phoff, shoff, flags; u16 ehsize, phentsize, phnum; };
struct elf_segment { u32 type, offset, vaddr, paddr, filesz, memsz, flags, align; };

/* argv are kernel strings, together less than a page. */
int do_exec(const char *name, char **argv, int argc, struct regs *r)
{
	u32 len;
	const u8 *file = archive_find(name, &len);
	if (!file) return -ENOENT;
	const struct elf_header *h = (const void *)file;
	if (len < sizeof *h || memcmp(h->ident, "\177ELF", 4) || h->phoff + h->phnum * sizeof(struct elf_segment) > len) return -ENOEXEC;
	struct mm *mm = mm_new(), *old = current->mm;
	if (!mm) return -ENOMEM;
	const struct elf_segment *s = (const void *)(file + h->phoff);
	for (u32 i = 0; i < h->phnum; i++, s++) {
		if (s->type != 1 || !s->memsz) continue;
		struct vma v = { .start = s->vaddr, .end = (s->vaddr + s->memsz + PAGE - 1) & ~(PAGE - 1),
			.prot = PROT_READ | (s->flags & 2 ? PROT_WRITE : 0) | PROT_EXEC,
			.src = file + s->offset, .src_len = s->filesz };
		if (vm_map(mm, &v)) panic("bad program %s", name);
	}
	vm_map(mm, &(struct vma){ .start = USER_TOP - STACK_PAGES * PAGE, .end = USER_TOP, .prot = PROT_READ | PROT_WRITE });
	/* The old space goes only now: a failed exec leaves the caller as it was. */
	mm_activate(mm);
	current->mm = mm;
	arch_load(mm);
	if (old) mm_free(old);
	for (u32 i = 1; i < NSIG; i++)
		if (current->sig[i].handler != SIG_IGN) current->sig[i].handler = SIG_DFL;

	u32 at = USER_TOP - 16, ptr[16];
	for (int i = 0; i < argc; i++) {
		u32 n = strlen(argv[i]) + 1;
		at -= n;
		memcpy((void *)at, argv[i], n);
		ptr[i] = at;
	}
	u32 *sp = (u32 *)((at & ~15u) - 4 * (argc + 1));
	for (int i = 0; i < argc; i++) sp[i] = ptr[i];
	sp[argc] = 0;
	sp -= 2;
	sp[0] = argc;
	sp[1] = (u32)(sp + 2);
	memset(r, 0, sizeof *r);
	r->eip = h->entry;
	r->esp = (u32)sp;
	r->cs = USER_CS;
	r->ss = r->ds = r->es = USER_DS;
	r->eflags = 0x202;
	return 0;
}

void do_exit(int code)
{
	if (current == init_proc) panic("init has exited with %d", code);
	file_close_all();
	struct mm *mm = current->mm;
	arch_load(&kernel_mm);
	current->mm = NULL;
	mm_free(mm);
	for (struct proc *p = procs; p < procs + NPROC; p++)
		if (p->parent == current) p->parent = init_proc;
	irq_save();
	current->exit_code = code;
	current->state = ZOMBIE;
	if (current->parent->sig[SIGCHLD].handler > SIG_IGN) current->parent->pending |= 1u << SIGCHLD;
	wakeup(&current->parent->children);
	schedule();
	panic("a zombie runs");
}

int do_wait(int *status)
{
	irq_t flags = irq_save();
	for (;;) {
		int mine = 0;
		for (struct proc *p = procs + 1; p < procs + NPROC; p++) {
			if (p->state == FREE || p->parent != current) continue;
			mine = 1;
			if (p->state != ZOMBIE) continue;
			int pid = p->pid;
			*status = p->exit_code;
			p->state = FREE;
			p->parent = NULL;
			irq_restore(flags);
			return pid;
		}
		if (!mine) { irq_restore(flags); return -ECHILD; }
		sleep_on(&current->children);
	}
}

int do_kill(int pid, int sig)
{
	if (sig <= 0 || sig >= NSIG) return -EINVAL;
	if (sig == SIGCHLD) return 0;             /* comes from children only; a default SIGCHLD would interrupt calls for nothing */
	for (struct proc *p = procs + 1; p < procs + NPROC; p++) {
		if (p->pid != pid || p->state == FREE || p->state == ZOMBIE) continue;
		p->pending |= 1u << sig;
		if (p != current && (p->pending & ~p->blocked)) interrupt_sleep(p);
		return 0;
	}
	return -ESRCH;
}

/* For faults: cannot be blocked or ignored. */
void force_signal(int sig)
{
	if ((current->blocked & (1u << sig)) || current->sig[sig].handler == SIG_IGN) current->sig[sig].handler = SIG_DFL;
	current->blocked &= ~(1u << sig);
	current->pending |= 1u << sig;
}

struct sigframe { u32 restorer, sig; struct regs *context; u32 blocked; struct regs saved; };

static void deliver(struct regs *r, int sig)
{
	struct sigact a = current->sig[sig];
	current->pending &= ~(1u << sig);
	if (a.handler == SIG_IGN) return;
	struct sigframe *f = (struct sigframe *)((r->esp - sizeof *f) & ~3u);
	if (a.handler == SIG_DFL || sig == SIGKILL || !user_ok(f, sizeof *f, 1)) do_exit(128 + sig);
	if (a.handler >= USER_TOP) do_exit(128 + SIGSEGV);   /* behind a segment's limit iret itself would fault */
	f->restorer = a.restorer;
	f->sig = sig;
	f->context = &f->saved;
	f->blocked = current->blocked;
	f->saved = *r;
	current->blocked |= 1u << sig;
	r->esp = (u32)f;
	r->eip = a.handler;
	r->eflags &= ~0x400u;
}

void sigreturn(struct regs *r)
{
	struct sigframe *f = (struct sigframe *)(r->esp - 4);   /* the handler's ret popped the restorer */
	if (!user_ok(f, sizeof *f, 0) || f->saved.eip >= USER_TOP) do_exit(128 + SIGSEGV);
	u32 eflags = r->eflags;
	current->blocked = f->blocked;
	*r = f->saved;
	/* Only what a program may choose: arithmetic flags and DF, and its own segments. */
	r->eflags = (eflags & ~0xCD5u) | (f->saved.eflags & 0xCD5u);
	r->cs = USER_CS;
	r->ss = r->ds = r->es = USER_DS;
}

void work(struct regs *r)
{
	if (need_resched) schedule();
	for (u32 due; (due = signals_due());) deliver(r, __builtin_ctz(due));
}
