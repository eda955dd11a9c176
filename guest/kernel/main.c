/* Console output, panic, and the archive of programs. */
#include "kernel.h"

int printf(const char *fmt, ...)
{
	static char line[400];
	va_list ap;
	va_start(ap, fmt);
	irq_t flags = irq_save();
	int n = vformat(line, sizeof line, fmt, ap);
	console_write(line, n);
	irq_restore(flags);
	va_end(ap);
	return n;
}

void panic(const char *fmt, ...)
{
	static char line[200];
	static int again;
	va_list ap;
	irq_disable();
	if (again++) arch_poweroff(1);
	va_start(ap, fmt);
	vformat(line, sizeof line, fmt, ap);
	printf("panic: %s (pid %d)\n", line, current->pid);
	arch_poweroff(1);
}

#include "../lib/layout.h"
_Static_assert(REGS_CS == __builtin_offsetof(struct regs, cs), "layout.h");
_Static_assert(PROC_PENDING == __builtin_offsetof(struct proc, pending), "layout.h");
_Static_assert(PROC_BLOCKED == __builtin_offsetof(struct proc, blocked), "layout.h");
