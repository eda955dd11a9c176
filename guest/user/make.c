/* A build of many processes, as make runs it: for each source a shell, the compiler's driver, the compiler proper and the assembler,
 * each a program that shares its C library; at the end one that links. */
#include "work.h"

static char text[8192];
static u32 seed;

/* Lines of words: some from a list that all files share, as the names of a header are, some of the file's own. */
static void make_source(const char *path, u32 bytes)
{
	u32 n = 0, words = 0;
	while (n + 24 < bytes) {
		seed = seed * 1103515245 + 12345;
		u32 r = seed >> 8;
		n += format(text + n, 16, r % 3 ? "w%u" : "l%u", r / 8 % (r % 3 ? 300 : 60));
		text[n++] = ++words % 7 ? ' ' : '\n';
	}
	text[n++] = '\n';
	int fd = create(path);
	if (fd == -ENODEV) fail("there is no disk");
	must(fd >= 0 && write(fd, text, n) == (int)n && !close(fd));
}

static void shell(const char *command)
{
	static char *environment[] = { "PATH=/usr/bin:/bin", "HOME=/root", "SHELL=/bin/sh", "MAKELEVEL=1", "MAKEFLAGS=", NULL };
	int status, pid = fork();
	must(pid >= 0);
	if (!pid) {
		exec("/bin/sh", (char *[]){ "sh", "-c", (char *)command, NULL }, environment);
		exit(127);
	}
	must(wait(&status) == pid && status == 0);
}

static u32 wl_make(u32 n)
{
	char path[40], command[400];
	struct stat st;
	u32 h = HASH_START, word;
	seed = 7;
	mkdir("/build");
	make_source("/build/defs.h", 8000);
	for (u32 i = 0; i < n; i++) {
		format(path, sizeof path, "/build/file%u.c", i);
		make_source(path, 6000);
	}
	must(!sync());
	start();
	for (u32 i = 0; i < n; i++) {
		format(path, sizeof path, "/build/file%u.o", i);
		must(stat(path, &st) == -ENOENT);             /* not made yet: so it has to be */
		format(command, sizeof command, "gcc /build/file%u.c %s", i, path);
		shell(command);
	}
	u32 at = format(command, sizeof command, "ld /build/program");
	for (u32 i = 0; i < n; i++) at += format(command + at, sizeof command - at, " /build/file%u.o", i);
	shell(command);
	must(!sync());
	stop(1);
	int fd = open("/build/program", 0);
	while (read(fd, &word, 4) == 4) h = hash(h, word);
	close(fd);
	return h;
}

const struct workload make_workloads[] = { { "make", wl_make, 6 }, { NULL } };
