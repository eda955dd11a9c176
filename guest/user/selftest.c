/* What the workloads do not show: that the kernel keeps its promises, also to programs that break theirs.
 * Run by `workload=selftest`; ends with 0, or says which line failed. */
#include "user.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)
#define must(x) do { if (!(x)) { say("selftest: line %d: %s\n", __LINE__, #x); exit(1); } } while (0)
/* Runs the statements in a child and insists on how it ends. */
#define child_ends(code, ...) do { int st_, pid_ = fork(); if (!pid_) { __VA_ARGS__; exit(0); } \
	must(wait(&st_) == pid_); must(st_ == (code)); } while (0)
#define KILLED(sig) (128 + (sig))

static volatile u32 data[4096];
static char text[9000];
static int handled;
static void on_signal(int sig, struct regs *r) { handled++; }

static void pipes(void)
{
	int p[2], st;
	char c;
	must(!pipe(p));
	close(p[0]);
	signal(SIGPIPE, on_signal);
	must(write(p[1], "x", 1) == -EPIPE && handled == 1);
	close(p[1]);
	must(!pipe(p));
	int sleeper = fork();
	if (!sleeper) {
		read(p[0], &c, 1);
		exit(0);
	}
	yield();
	must(!kill(sleeper, SIGTERM));
	must(wait(&st) == sleeper && st == KILLED(SIGTERM));
	must(wait(&st) == -ECHILD);
	if (!fork()) {                            /* more than a pipe holds, so both sides block */
		for (u32 i = 0; i < 9000; i++) text[i] = i * 5;
		must(write(p[1], text, 9000) == 9000);
		exit(0);
	}
	for (u32 n = 0, got; n < 9000; n += got) {
		must((int)(got = read(p[0], text, 700)) > 0);
		for (u32 i = 0; i < got; i++) must((u8)text[i] == (u8)((n + i) * 5));
	}
	must(wait(&st) > 0 && st == 0);
	close(p[0]);
	close(p[1]);
}

static void selects(void)
{
	int p[2], q[2], st;
	struct timeval now = { 0, 0 }, soon = { 0, 25000 };
	must(!pipe(p) && !pipe(q));
	u32 both = 1u << p[0] | 1u << q[0], in[4] = { both }, out[4] = { 1u << p[1] };
	must(select(32, in, out, &now) == 1 && !in[0] && out[0] == 1u << p[1]);
	in[0] = both;
	must(select(32, in, NULL, &soon) == 0 && !in[0]);
	int other = fork();
	if (!other) {
		yield();
		write(q[1], "x", 1);
		exit(0);
	}
	in[0] = both;
	must(select(32, in, NULL, NULL) == 1 && in[0] == 1u << q[0]);
	must(wait(&st) == other && st == 0);
	in[0] = 1u << 31;
	must(select(32, in, NULL, &now) == -EBADF);
	in[0] = 1u << p[0];
	close(p[1]);
	must(select(32, in, NULL, NULL) == 1);    /* its end can be read without waiting */
	close(p[0]);
	close(q[0]);
	close(q[1]);
}

static void copy_on_write(void)
{
	for (u32 i = 0; i < 4096; i++) data[i] = i;
	for (u32 k = 1; k < 4; k++) {
		child_ends(k, {
			for (u32 i = 0; i < 4096; i++) data[i] += k;
			child_ends(9, {
				for (u32 i = 0; i < 4096; i++) must(data[i] == i + k);
				data[0] = 0;
				exit(9);
			});
			must(data[0] == k);
			exit(k);
		});
		for (u32 i = 0; i < 4096; i++) must(data[i] == i);
	}
}

static void regions(void)
{
	u8 *m = mmap(16 * PAGE, RW, -1, 0);
	must(!MAP_FAILED(m));
	for (int i = 0; i < 16; i++) m[i * PAGE] = i;
	must(!mprotect(m + 4 * PAGE, 4 * PAGE, PROT_READ) && !munmap(m + 6 * PAGE, PAGE));
	child_ends(KILLED(SIGSEGV), m[5 * PAGE] = 1);
	child_ends(KILLED(SIGSEGV), *(volatile u8 *)(m + 6 * PAGE));
	child_ends(0, m[3 * PAGE] = m[8 * PAGE] = 1; must(m[5 * PAGE] == 5));
	must(!mprotect(m + 4 * PAGE, 2 * PAGE, RW));
	m[5 * PAGE] = 9;
	must(m[5 * PAGE] == 9 && m[7 * PAGE] == 7 && !munmap(m, 16 * PAGE));
	child_ends(77, {
		for (u8 *p; !MAP_FAILED(p = mmap(1 << 20, RW, -1, 0));)
			for (u32 at = 0; at < 1 << 20; at += 64 * PAGE) p[at] = 1;
		exit(77);
	});
}

static void files(void)
{
	int fd = create("self"), st;
	if (fd == -ENODEV) return;
	for (u32 i = 0; i < 9000; i++) text[i] = i * 3;
	must(fd >= 0 && write(fd, text, 9000) == 9000);
	u8 *f = mmap(9000, RW, fd, 0), *g = mmap(9000, RW, fd, 0);
	for (u32 i = 0; i < 9000; i++) must(f[i] == (u8)text[i]);
	must(f[9001] == 0);
	int other = open("self", 0);
	must(read(other, g + 100, 5000) == 5000);   /* into a mapping of the same file: faults inside read */
	for (u32 i = 0; i < 5000; i++) must(g[100 + i] == (u8)text[i]);
	close(fd);
	close(other);
	for (u32 k = 0; k < 3; k++) {
		if (fork()) continue;
		for (u32 i = 0; i < 8; i++) {
			char name[12];
			format(name, sizeof name, "self%u.%u", k, i);
			must((fd = create(name)) >= 0 && write(fd, text, 3000) == 3000 && !close(fd));
		}
		exit(0);
	}
	for (u32 k = 0; k < 3; k++) must(wait(&st) > 0 && st == 0);
	for (u32 k = 0; k < 24; k++) {
		char name[12];
		struct stat s;
		format(name, sizeof name, "self%u.%u", k / 8, k % 8);
		must(!stat(name, &s) && s.size == 3000 && !unlink(name));
	}
	must(!unlink("self") && open("self", 0) == -ENOENT && !munmap(f, 9000) && !munmap(g, 9000));
}

static void offences(void)
{
	child_ends(KILLED(SIGSEGV), ((void (*)(void))0xC0100000)());
	child_ends(KILLED(SIGSEGV), asm volatile("cli"));
	child_ends(KILLED(SIGSEGV), asm volatile("hlt"));
	child_ends(KILLED(SIGSEGV), asm volatile("inb $0x80, %%al" : : : "eax"));
	child_ends(KILLED(SIGSEGV), asm volatile("mov %%eax, %%cr3" : : "a"(0)));
	child_ends(KILLED(SIGSEGV), asm volatile("int $0x20"));
	child_ends(KILLED(SIGSEGV), asm volatile("mov %0, %%ds; mov 0, %%eax" : : "r"(0) : "eax"));
	child_ends(KILLED(SIGILL), asm volatile("ud2"));
	child_ends(KILLED(SIGTRAP), asm volatile("int3"));
	child_ends(KILLED(SIGFPE), asm volatile("div %0" : : "r"(0) : "eax", "edx"));
	/* A handler cannot run on a stack that is not there. */
	child_ends(KILLED(SIGSEGV), signal(SIGSEGV, on_signal); asm volatile("mov $0x123, %esp; push %eax"));
	/* sigreturn restores what a program may choose, whatever it asks for. */
	child_ends(KILLED(SIGSEGV), asm volatile("mov $119, %eax; mov $0xBFFFFFF0, %esp; int $0x80"));
}

static u32 seed = 1;
static u32 rnd(void) { return (seed = seed * 1664525 + 1013904223) >> 7; }

static u32 wild(void)
{
	switch (rnd() % 8) {
	case 0: return 0;
	case 1: return rnd() % 32;
	case 2: return 0xBFFFF000 + rnd() % 8192;
	case 3: return 0xC0000000 + rnd() % 100000 * 16;
	case 4: return (u32)data + rnd() % 20000;
	case 5: return ~0u - rnd() % 100;
	case 6: return 0x40000000 + (rnd() & 0x7FF000);
	default: return rnd() * 5;
	}
}

static void wild_calls(void)
{
	static const int calls[] = { SYS_read, SYS_write, SYS_open, SYS_close, SYS_creat, SYS_unlink, SYS_exec, SYS_pipe,
		SYS_sync, SYS_wait, SYS_sigaction, SYS_mmap, SYS_munmap, SYS_stat, SYS_sigreturn, SYS_mprotect, SYS_yield,
		SYS_ptemod, 999, -1 };
	int st;
	for (u32 k = 0; k < 16; k++) {
		int pid = fork();
		if (!pid) {
			seed = k * 7919 + 1;
			for (u32 i = 0; i < 200; i++) {
				int nr = calls[rnd() % countof(calls)];
				u32 a = wild(), b = wild(), c = wild(), d = wild();
				if (nr == SYS_write && a < 3) continue;       /* the console stays readable */
				if (nr == SYS_ptemod) c %= 4;                 /* passes */
				sys(nr, a, b, c, d);
			}
			exit(0);
		}
		while (wait(&st) != pid) {}
	}
}

/* Others run, and get at it, while a process never gives the processor away. */
static void preemption(void)
{
	int st, pid = fork();
	if (!pid) for (;;) asm volatile("");
	yield();
	must(!kill(pid, SIGKILL) && wait(&st) == pid && st == KILLED(SIGKILL));
}

/* The shell's words, built-in commands and lists; and what it starts, bound at once or when it is called. */
static int shell(char *command)
{
	exec("/bin/sh", (char *[]){ "sh", "-c", command, NULL }, (char *[]){ "PATH=/nowhere:/bin", "LD_BIND_NOW=1", "A=b", NULL });
	return 127;
}

static void shells(void)
{
	child_ends(7, exit(shell("exit 7")));
	child_ends(2, exit(shell("/bin/true x")));
	child_ends(5, exit(shell("test $A = b && eval 'B=5; exit $B'")));
	child_ends(4, exit(shell("[ 3 -gt 3 ] || exit 4")));
	child_ends(0, exit(shell("false; unset A; export C=$A; test -z \"$C\"")));
	child_ends(127, exit(shell("nothing-of-that-name")));
	child_ends(1, exit(shell("/bin/true | read; false")));
}

int main(int argc, char **argv, char **envp)
{
	char *again[] = { "true", "x", NULL };
	pipes();
	selects();
	copy_on_write();
	regions();
	files();
	offences();
	wild_calls();
	for (u32 i = 0; i < 60; i++) child_ends(2, exec("/bin/true", again, NULL));   /* nothing has leaked */
	shells();
	preemption();
	return 0;
}
