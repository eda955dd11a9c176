/* Processes: run queue, fork, exit, wait. The kernel itself is never preempted. */
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
	err = do_exec("/bin/init", (char *[]){ "init", (char *)boot_command }, 2, (char *[]){ "PATH=/bin" }, 1, user_regs(current));
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

void do_exit(int code)
{
	if (current == init_proc) panic("init has exited with %d", code);
	file_close_all();
	mm_empty(current->mm);                    /* what is left of it stays loaded until another one is */
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
			mm_free(p->mm);
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
