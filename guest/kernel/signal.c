/* Signals on their way to a program, and its way back. */
#include "kernel.h"

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
