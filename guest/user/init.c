/* The first program: runs the workloads the kernel command line names and reports each in one line,
 * `name cycles checksum`. A checksum depends on what was computed only, never on time or scheduling. */
#include "work.h"

u64 started, elapsed;
u32 ops;

void fail(const char *what)
{
	say("failed: %s\n", what);
	poweroff(1);
	for (;;) yield();
}

static u32 wl_syscall(u32 n)
{
	u32 h = HASH_START;
	start();
	for (u32 i = 0; i < n; i++) h = hash(h, getppid());
	stop(n);
	return h;
}

static u32 forks(u32 n, char *program)
{
	u32 h = HASH_START;
	char *argv[] = { program, NULL };
	start();
	for (u32 i = 0; i < n; i++) {
		int status, pid = fork();
		must(pid >= 0);
		if (!pid) {
			if (!program) exit(i & 0x7F);
			exec(program, argv, NULL);
			exit(127);
		}
		must(wait(&status) == pid);
		h = hash(h, status);
	}
	stop(n);
	return h;
}

static u32 wl_forkwait(u32 n) { return forks(n, NULL); }
static u32 wl_forkexec(u32 n) { return forks(n, "/bin/true"); }

static u32 touched[64 * 1024 / 4];

static u32 touch(u32 kb)
{
	u32 sum = 0, words = kb * 256;
	for (u32 i = 0; i < words; i += 8)
		sum += touched[i] + touched[i + 1] + touched[i + 2] + touched[i + 3]
			+ touched[i + 4] + touched[i + 5] + touched[i + 6] + touched[i + 7];
	return sum;
}

/* A token goes round a ring of pipes; each process sums its own copy of an array when it has the token. */
static u32 ring(u32 n, int processes, u32 kb)
{
	int p[16][2], pids[16], status;
	u32 token = 0, h = HASH_START;
	for (int i = 0; i < processes; i++) must(!pipe(p[i]));
	for (int k = 1; k < processes; k++) {
		must((pids[k] = fork()) >= 0);
		if (pids[k]) continue;
		for (u32 i = 0; i < kb * 256; i++) touched[i] = i * k;
		for (;;) {
			if (read(p[k - 1][0], &token, 4) != 4 || token == ~0u) break;
			token = hash(token, touch(kb)) & 0x7FFFFFFF;
			write(p[k][1], &token, 4);
		}
		write(p[k][1], &token, 4);
		exit(0);
	}
	for (u32 i = 0; i < kb * 256; i++) touched[i] = i + 3;
	u32 rounds = n / processes;
	for (u32 i = 0; i <= rounds; i++) {
		if (i == 1) start();                  /* the first round only warms up */
		write(p[0][1], &token, 4);
		must(read(p[processes - 1][0], &token, 4) == 4);
		token = hash(token, touch(kb)) & 0x7FFFFFFF;
		h = hash(h, token);
	}
	stop(rounds * processes);
	token = ~0u;
	write(p[0][1], &token, 4);
	for (int k = 1; k < processes; k++) wait(&status);
	for (int i = 0; i < processes; i++) {
		close(p[i][0]);
		close(p[i][1]);
	}
	return h;
}

static u32 wl_ctxsw_2p_0k(u32 n) { return ring(n, 2, 0); }
static u32 wl_ctxsw_2p_16k(u32 n) { return ring(n, 2, 16); }
static u32 wl_ctxsw_8p_0k(u32 n) { return ring(n, 8, 0); }
static u32 wl_ctxsw_8p_16k(u32 n) { return ring(n, 8, 16); }
static u32 wl_ctxsw_2p_64k(u32 n) { return ring(n, 2, 64); }
static u32 wl_ctxsw_8p_64k(u32 n) { return ring(n, 8, 64); }
static u32 wl_ctxsw_16p_0k(u32 n) { return ring(n, 16, 0); }
static u32 wl_ctxsw_16p_16k(u32 n) { return ring(n, 16, 16); }
static u32 wl_ctxsw_16p_64k(u32 n) { return ring(n, 16, 64); }

/* What lat_ctx measures apart and takes off: the token through a pipe and the summing, in one process. */
static u32 wl_pipe_0k(u32 n) { return ring(n, 1, 0); }
static u32 wl_pipe_16k(u32 n) { return ring(n, 1, 16); }
static u32 wl_pipe_64k(u32 n) { return ring(n, 1, 64); }

static u32 wl_pagefault(u32 n)
{
	u32 h = HASH_START, total = 0;
	u64 cycles = 0;
	while (total < n) {                       /* 2 MB at a time; mapping and unmapping are not counted */
		u32 pages = n - total < 512 ? n - total : 512;
		u8 *p = FRESH(pages * PAGE);
		must(!MAP_FAILED(p));
		u64 t = rdtsc();
		for (u32 i = 0; i < pages; i++) p[i * PAGE] += i;
		cycles += rdtsc() - t;
		for (u32 i = 0; i < pages; i++) h = hash(h, p[i * PAGE]);
		must(!munmap(p, pages * PAGE));
		total += pages;
	}
	elapsed = cycles;
	ops = n;
	return h;
}

static u32 faults;

/* Steps over the faulting instruction: both workloads below fault at one of two bytes. */
static void on_fault(int sig, struct regs *r)
{
	faults += sig;
	r->eip += 2;
}

static u32 wl_protfault(u32 n)
{
	u32 *p = FRESH(PAGE), h = HASH_START;
	must(!MAP_FAILED(p));
	*p = 42;
	must(!mprotect(p, PAGE, PROT_READ));
	signal(SIGSEGV, on_fault);
	faults = 0;
	start();
	for (u32 i = 0; i < n; i++) asm volatile(".byte 0x89, 0x01" : : "a"(i), "c"(p) : "memory");   /* mov %eax, (%ecx) */
	stop(n);
	h = hash(hash(h, faults), *p);
	signal(SIGSEGV, SIG_DFL);
	must(!munmap(p, PAGE));
	return h;
}

static u32 wl_divzero(u32 n)
{
	signal(SIGFPE, on_fault);
	faults = 0;
	start();
	for (u32 i = 0; i < n; i++) {
		u32 a = i, d = 0;
		asm volatile(".byte 0xF7, 0xF1" : "+a"(a), "+d"(d) : "c"(0));   /* div %ecx */
	}
	stop(n);
	signal(SIGFPE, SIG_DFL);
	return hash(HASH_START, faults);
}

/* As lmbench's lat_mmap: map 4 MB, touch a page in ten of the first tenth, unmap. */
static u32 wl_mmap(u32 n)
{
	u32 h = HASH_START;
	start();
	for (u32 i = 0; i < n; i++) {
		u8 *p = FRESH(4 << 20);
		must(!MAP_FAILED(p));
		for (u32 at = 0; at < (4 << 20) / 10; at += 10 * PAGE) {
			p[at] += i;
			h = hash(h, p[at]);
		}
		must(!munmap(p, 4 << 20));
	}
	stop(n);
	return h;
}

static volatile u32 signals;
static void on_signal(int sig, struct regs *r) { signals += sig; }

static u32 wl_signal(u32 n)
{
	int self = getpid();
	signal(SIGUSR1, on_signal);
	signals = 0;
	start();
	for (u32 i = 0; i < n; i++) kill(self, SIGUSR1);
	stop(n);
	return hash(HASH_START, signals);
}

static u32 wl_ptemod(u32 n)
{
	u32 passes = n / 64 + 1, changed;
	u8 *p = FRESH(64 * PAGE);
	must(!MAP_FAILED(p));
	for (u32 i = 0; i < 64; i++) p[i * PAGE] = i;
	start();
	changed = ptemod(p, 64, passes);
	stop(64 * passes);
	u32 h = hash(HASH_START, changed);
	for (u32 i = 0; i < 64; i++) h = hash(h, p[i * PAGE]);
	must(!munmap(p, 64 * PAGE));
	return h;
}

static u32 wl_portin(u32 n)
{
	start();
	u32 done = portin(n);
	stop(n);
	return hash(HASH_START, done);
}

static u32 block[16384];                      /* 64 KB */

/* The checksum is Fletcher's, which costs two instructions a word: the disk is what is measured here. */
static u32 wl_disk(u32 n)
{
	u32 v = 1, sum = 0, sums = 0;
	int fd = create("big");
	if (fd == -ENODEV) fail("there is no disk");
	must(fd >= 0);
	start();
	for (u32 i = 0; i < n; i += 64) {
		for (u32 k = 0; k < countof(block); k += 4) {
			block[k] = v += 0x9E3779B9;
			block[k + 1] = v += i;
			block[k + 2] = v ^ 0x5A5A5A5A;
			block[k + 3] = v += 0x85EBCA6B;
		}
		must(write(fd, block, sizeof block) == sizeof block);
	}
	must(!close(fd) && !sync() && !dropcache());
	must((fd = open("big", 0)) >= 0);
	for (u32 i = 0; i < n; i += 64) {
		must(read(fd, block, sizeof block) == sizeof block);
		for (u32 k = 0; k < countof(block); k += 4) {
			sums += sum += block[k];
			sums += sum += block[k + 1];
			sums += sum += block[k + 2];
			sums += sum += block[k + 3];
		}
	}
	stop(1);
	must(read(fd, block, 1) == 0);
	close(fd);
	must(!unlink("big") && !sync());
	return hash(hash(HASH_START, sum), sums);
}

/* Sieve, shell sort and a matrix product over integers. */
static u32 wl_compute(u32 n)
{
	static u8 composite[32768];
	static u32 sorted[4096], a[24][24], b[24][24];
	u32 h = HASH_START, seed = 12345;
	start();
	for (u32 round = 0; round < n; round++) {
		memset(composite, 0, sizeof composite);
		u32 primes = 0;
		for (u32 i = 2; i < sizeof composite; i++) {
			if (composite[i]) continue;
			primes++;
			for (u32 k = i * i; i < 182 && k < sizeof composite; k += i) composite[k] = 1;
		}
		h = hash(h, primes + round);
		for (u32 i = 0; i < countof(sorted); i++) sorted[i] = (seed = seed * 1664525 + 1013904223) >> 8;
		for (u32 gap = 1093; gap; gap /= 3)
			for (u32 i = gap; i < countof(sorted); i++) {
				u32 v = sorted[i], k = i;
				for (; k >= gap && sorted[k - gap] > v; k -= gap) sorted[k] = sorted[k - gap];
				sorted[k] = v;
			}
		for (u32 i = 0; i < countof(sorted); i++) h = hash(h, sorted[i]);
		for (u32 i = 0; i < 24; i++)
			for (u32 k = 0; k < 24; k++) {
				a[i][k] = h + i * k;
				b[i][k] = sorted[i * 24 + k];
			}
		for (u32 i = 0; i < 24; i++)
			for (u32 k = 0; k < 24; k++) {
				u32 sum = 0;
				for (u32 j = 0; j < 24; j++) sum += a[i][j] * b[j][k];
				h = hash(h, sum);
			}
	}
	stop(1);
	return h;
}

static u32 __attribute__((noinline, noclone)) fib(u32 n)
{
	u32 r;
	asm volatile("" : "+r"(n));               /* keeps the compiler from unrolling the recursion */
	r = n < 2 ? n : fib(n - 1) + fib(n - 2);
	asm volatile("" : "+r"(r));
	return r;
}

static u32 __attribute__((noinline)) leaf_a(u32 x) { asm volatile("" : "+r"(x)); return x * 3; }
static u32 __attribute__((noinline)) leaf_b(u32 x) { asm volatile("" : "+r"(x)); return x + 7; }

static u32 wl_callret(u32 n)
{
	static u32 (*volatile leaves[2])(u32) = { leaf_a, leaf_b };
	u32 h = HASH_START;
	start();
	for (u32 round = 0; round < n; round++) {
		h = hash(h, fib(20));
		for (u32 i = 0; i < 4000; i++) h = leaf_b(leaf_a(h)) ^ leaves[i & 1](i);
	}
	stop(1);
	return h;
}

static void run(char **argv)
{
	int status, pid = fork();
	must(pid >= 0);
	if (!pid) {
		exec(argv[0], argv, NULL);
		exit(127);
	}
	must(wait(&status) == pid && status == 0);
}

/* Many short processes that read, compute and write files; then one that reads them all. */
static u32 wl_build(u32 n)
{
	static char text[6144];
	static char source[12][12], object[12][12];
	u32 h = HASH_START, v = 7;
	if (n > 12) n = 12;
	start();
	for (u32 i = 0; i < n; i++) {
		format(source[i], sizeof source[i], "file%u.c", i);
		format(object[i], sizeof object[i], "file%u.o", i);
		for (u32 k = 0; k < sizeof text; k++) {
			v = v * 1103515245 + 12345;
			text[k] = (v >> 16) % 6 == 0 ? ' ' : 'a' + (v >> 20) % 8;
		}
		int fd = create(source[i]);
		if (fd == -ENODEV) fail("there is no disk");
		must(fd >= 0 && write(fd, text, sizeof text) == sizeof text);
		close(fd);
	}
	for (u32 i = 0; i < n; i++) run((char *[]){ "/bin/cc", source[i], object[i], NULL });
	char *link[16] = { "/bin/ld", "program" };
	for (u32 i = 0; i < n; i++) link[2 + i] = object[i];
	run(link);
	must(!sync());
	stop(1);
	struct stat st;
	must(!stat("program", &st));
	h = hash(h, st.size);
	int fd = open("program", 0), got;
	while ((got = read(fd, block, sizeof block)) > 0)
		for (int k = 0; k < got / 4; k++) h = hash(h, block[k]);
	close(fd);
	unlink("program");
	for (u32 i = 0; i < n; i++) must(!unlink(source[i]) && !unlink(object[i]));
	must(!sync());
	return h;
}

static u32 wl_selftest(u32 n)
{
	start();
	for (u32 i = 0; i < n; i++) run((char *[]){ "/bin/selftest", NULL });
	stop(n);
	return HASH_START;
}

static const struct workload workloads[] = {
	{ "syscall", wl_syscall, 20000 },
	{ "forkwait", wl_forkwait, 100 },
	{ "forkexec", wl_forkexec, 60 },
	{ "ctxsw-2p-0k", wl_ctxsw_2p_0k, 4000 },
	{ "ctxsw-2p-16k", wl_ctxsw_2p_16k, 800 },
	{ "ctxsw-8p-0k", wl_ctxsw_8p_0k, 4000 },
	{ "ctxsw-8p-16k", wl_ctxsw_8p_16k, 800 },
	{ "ctxsw-2p-64k", wl_ctxsw_2p_64k, 400 },
	{ "ctxsw-8p-64k", wl_ctxsw_8p_64k, 400 },
	{ "ctxsw-16p-0k", wl_ctxsw_16p_0k, 1600 },
	{ "ctxsw-16p-16k", wl_ctxsw_16p_16k, 800 },
	{ "ctxsw-16p-64k", wl_ctxsw_16p_64k, 400 },
	{ "pagefault", wl_pagefault, 6144 },
	{ "protfault", wl_protfault, 3000 },
	{ "mmap", wl_mmap, 150 },
	{ "signal", wl_signal, 4000 },
	{ "ptemod", wl_ptemod, 64000 },
	{ "portin", wl_portin, 20000 },
	{ "divzero", wl_divzero, 3000 },
	{ "disk", wl_disk, 4096 },                /* KB */
	{ "compute", wl_compute, 4 },
	{ "callret", wl_callret, 10 },
	{ "build", wl_build, 12 },
	{ "selftest", wl_selftest, 1 },           /* not part of `all` */
	{ NULL },
}, ring_workloads[] = {
	{ "pipe-0k", wl_pipe_0k, 2000 },
	{ "pipe-16k", wl_pipe_16k, 800 },
	{ "pipe-64k", wl_pipe_64k, 400 },
	{ NULL },
}, *const tables[] = { workloads, ring_workloads, lmbench_workloads, network_workloads, specint_workloads, make_workloads,
	database_workloads, file_workloads, web_workloads };

/* Decimal, by hand: 64 bits need two divides a digit. */
static const char *decimal(u64 v)
{
	static char buf[24];
	char *p = buf + sizeof buf - 1;
	do {
		u32 hi = v >> 32, lo = v, digit;
		asm("divl %4" : "=a"(lo), "=d"(digit) : "0"(lo), "1"(hi % 10), "r"(10));
		v = (u64)(hi / 10) << 32 | lo;
		*--p = '0' + digit;
	} while (v);
	return p;
}

static void run_workload(const struct workload *w, u32 count)
{
	u32 n = count ? count : w->count, sum = w->run(n);
	const char *value = ops > 1 ? decimal(div64(elapsed, ops)) : decimal(elapsed);
	say("%s %s %08x\n", w->name, value, sum);
}

/* The word after `key` on the command line, copied to `to`. */
static int option(const char *line, const char *key, char *to, u32 size)
{
	u32 len = strlen(key), n = 0;
	for (const char *p = line; *p; p++) {
		if ((p > line && p[-1] != ' ') || strncmp(p, key, len)) continue;
		for (p += len; *p && *p != ' ' && n + 1 < size; p++) to[n++] = *p;
		to[n] = 0;
		return 1;
	}
	return 0;
}

int main(int argc, char **argv, char **envp)
{
	char name[32] = "all", number[12] = "";
	const char *line = argc > 1 ? argv[1] : "";
	option(line, "workload=", name, sizeof name);
	option(line, "n=", number, sizeof number);
	int all = !strcmp(name, "all"), found = 0;
	for (u32 t = 0; t < countof(tables); t++)
		for (const struct workload *w = tables[t]; w->name; w++)
			if ((all && !t && w->run != wl_selftest) || !strcmp(name, w->name)) {
				run_workload(w, atoi(number));
				found = 1;
			}
	if (!found) say("unknown workload: %s\n", name);
	poweroff(found ? 0 : 2);
	return 0;
}
