/* The columns of lmbench that need files: what each of its programs does, in our words (README.md). */
#include "work.h"

static char name_of[32];
static const char *numbered(u32 i)
{
	format(name_of, sizeof name_of, "/var/tmp/f%u", i);
	return name_of;
}

static void make_tmp(void)
{
	int err = mkdir("/var");
	if (err == -ENODEV) fail("there is no disk");
	mkdir("/var/tmp");
}

/* lat_syscall read and write: a word from /dev/zero, a word to /dev/null; lmbench prints the mean of the two. */
static u32 wl_null_io(u32 n)
{
	int zero = open("/dev/zero", 0), null = open("/dev/null", 0);
	u32 h = HASH_START;
	u8 c = 1;
	must(zero >= 0 && null >= 0);
	start();
	for (u32 i = 0; i < n; i += 2) h = hash(h, read(zero, &c, 1) + write(null, &c, 1));
	stop(n);
	close(zero);
	close(null);
	return hash(h, c);
}

static u32 wl_stat(u32 n)
{
	struct stat st;
	u32 h = HASH_START;
	make_tmp();
	close(create("/var/tmp/lmbench"));
	start();
	for (u32 i = 0; i < n; i++) h = hash(h, stat("/var/tmp/lmbench", &st) + st.mode);
	stop(n);
	unlink("/var/tmp/lmbench");
	return h;
}

static u32 wl_open_close(u32 n)
{
	u32 h = HASH_START;
	make_tmp();
	close(create("/var/tmp/lmbench"));
	start();
	for (u32 i = 0; i < n; i++) {
		int fd = open("/var/tmp/lmbench", 0);
		h = hash(h, fd);
		close(fd);
	}
	stop(n);
	unlink("/var/tmp/lmbench");
	return h;
}

static void nothing(int sig, struct regs *r) { }

/* lat_sig install: the disposition of a signal set, over and over. */
static u32 wl_sig_install(u32 n)
{
	u32 h = HASH_START;
	start();
	for (u32 i = 0; i < n; i++) h = hash(h, signal(SIGUSR1, nothing));
	stop(n);
	signal(SIGUSR1, SIG_DFL);
	return h;
}

static u32 make_files(u32 n, u32 bytes)
{
	static u8 contents[10240];
	u32 h = HASH_START;
	memset(contents, 0xA5, sizeof contents);
	for (u32 i = 0; i < n; i++) {
		int fd = create(numbered(i));
		must(fd >= 0 && (!bytes || write(fd, contents, bytes) == (int)bytes));
		h = hash(h, close(fd));
	}
	return h;
}

static u32 take_files(u32 n)
{
	u32 h = HASH_START;
	for (u32 i = 0; i < n; i++) h = hash(h, unlink(numbered(i)));
	return h;
}

/* lat_fs: n files made in one directory, then n files taken away. It does so for several sizes in turn, so that the memory
 * it gets has been used before: here by one round that is not measured. */
static u32 files(u32 n, u32 bytes, int measure_create)
{
	struct stat st;
	make_tmp();
	if (bytes) {
		make_files(n, bytes);
		take_files(n);
	}
	if (measure_create) start();
	u32 h = make_files(n, bytes);
	if (measure_create) stop(n);
	must(!stat(numbered(n - 1), &st) && st.size == bytes);
	if (!measure_create) start();
	h = hash(h, take_files(n));
	if (!measure_create) stop(n);
	must(!sync());
	return hash(h, st.sectors);
}

static u32 wl_create_0k(u32 n) { return files(n, 0, 1); }
static u32 wl_delete_0k(u32 n) { return files(n, 0, 0); }
static u32 wl_create_10k(u32 n) { return files(n, 10240, 1); }
static u32 wl_delete_10k(u32 n) { return files(n, 10240, 0); }

/* A file of that many bytes, open, its pages in the cache. */
static int cached_file(u32 bytes)
{
	static u32 page[PAGE / 4];
	make_tmp();
	int fd = create("/var/tmp/XXX");
	for (u32 at = 0; at < bytes; at += PAGE) {
		page[0] = at * 7 + 1;
		must(write(fd, page, PAGE) == PAGE);
	}
	return fd;
}

/* lat_pagefault: a file's pages, which are in memory, touched one after the other through a new mapping. */
static u32 wl_fault_file(u32 n)
{
	enum { PAGES = 512 };
	int fd = cached_file(PAGES * PAGE);
	u32 h = HASH_START;
	u64 cycles = 0;
	for (u32 total = 0; total < n; total += PAGES) {
		u32 *p = mmap(PAGES * PAGE, PROT_READ, fd, 0), sum = 0;
		must(!MAP_FAILED(p));
		u64 t = rdtsc();
		for (u32 i = 0; i < PAGES; i++) sum += p[i * PAGE / 4];
		cycles += rdtsc() - t;
		h = hash(h, sum);
		must(!munmap(p, PAGES * PAGE));
	}
	elapsed = cycles;
	ops = n;
	close(fd);
	unlink("/var/tmp/XXX");
	return h;
}

/* lat_mmap: a file mapped, 4 MB long, one page in ten of its first tenth touched, unmapped. */
static u32 wl_mmap_file(u32 n)
{
	int fd = cached_file(4 << 20);
	u32 h = HASH_START;
	start();
	for (u32 i = 0; i < n; i++) {
		u32 *p = mmap(4 << 20, PROT_READ | PROT_WRITE, fd, 0);
		must(!MAP_FAILED(p));
		for (u32 at = 0; at < (4 << 20) / 10; at += 10 * PAGE) {
			p[at / 4] += i;
			h = hash(h, p[at / 4]);
		}
		must(!munmap(p, 4 << 20));
	}
	stop(n);
	close(fd);
	unlink("/var/tmp/XXX");
	return h;
}

/* lat_proc does its own timing; what it found comes through a pipe that is its descriptor 3. */
static u32 lat_proc(const char *how, u32 n)
{
	static char *const environment[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh", "TERM=vt100",
		"LANG=C", "MAIL=/var/spool/mail/root", "HOSTNAME=localhost", "PWD=/", "SHLVL=1", "HISTSIZE=1000", "LESSOPEN=|lesspipe.sh %s",
		"INPUTRC=/etc/inputrc", "LS_COLORS=no=00:fi=00:di=01;34:ln=01;36:pi=40;33:so=01;35", NULL };
	char count[12];
	int p[2], status;
	u64 answer[2];
	format(count, sizeof count, "%u", n);
	must(!pipe(p));
	int pid = fork();
	if (!pid) {
		dup2(p[1], 3);
		for (int fd = 4; fd < 16; fd++) close(fd);
		exec("/bin/lat_proc", (char *[]){ "lat_proc", (char *)how, count, NULL }, (char **)environment);
		exit(127);
	}
	close(p[1]);
	must(pid > 0 && read(p[0], answer, sizeof answer) == sizeof answer);
	must(wait(&status) == pid && status == 0);
	close(p[0]);
	elapsed = answer[0];
	ops = n;
	return answer[1];
}

static u32 wl_fork(u32 n) { return lat_proc("fork", n); }
static u32 wl_exec(u32 n) { return lat_proc("exec", n); }
static u32 wl_sh(u32 n) { return lat_proc("sh", n); }

const struct workload lmbench_workloads[] = {
	{ "fork", wl_fork, 100 },
	{ "exec", wl_exec, 50 },
	{ "sh", wl_sh, 20 },
	{ "null-io", wl_null_io, 20000 },
	{ "stat", wl_stat, 10000 },
	{ "open-close", wl_open_close, 10000 },
	{ "sig-install", wl_sig_install, 20000 },
	{ "create-0k", wl_create_0k, 1000 },
	{ "delete-0k", wl_delete_0k, 1000 },
	{ "create-10k", wl_create_10k, 500 },
	{ "delete-10k", wl_delete_10k, 500 },
	{ "fault-file", wl_fault_file, 2048 },
	{ "mmap-file", wl_mmap_file, 100 },
	{ NULL },
};
