/* A file server's work, as dbench drives it: clients that each go through the same script of opening, writing, reading, asking for,
 * renaming nothing and deleting files of an office's sizes. What a client's requests would cost on the network is left out, as there. */
#include "work.h"

enum { CLIENTS = 4, DIRECTORIES = 3, FILES = 6 };
static u8 buffer[16384];

static const char *path(u32 client, u32 dir, int file)
{
	static char name[48];
	if (dir == ~0u) format(name, sizeof name, "/clients/c%u", client);
	else if (file < 0) format(name, sizeof name, "/clients/c%u/d%u", client, dir);
	else format(name, sizeof name, "/clients/c%u/d%u/document%u.doc", client, dir, file);
	return name;
}

/* Written in pieces of up to 4 KB, as SMB requests carry them. */
static u32 save(u32 client, u32 dir, u32 file, u32 bytes)
{
	int fd = open(path(client, dir, file), O_CREAT | O_TRUNC);
	must(fd >= 0);
	for (u32 done = 0, part; done < bytes; done += part) {
		part = bytes - done < 4096 ? bytes - done : 4096;
		buffer[0] = done >> 8;
		must(write(fd, buffer, part) == (int)part);
	}
	must(!close(fd));
	return bytes;
}

static u32 read_back(u32 client, u32 dir, u32 file)
{
	u32 h = HASH_START;
	int fd = open(path(client, dir, file), 0), n;
	must(fd >= 0);
	while ((n = read(fd, buffer, 4096)) > 0) h = hash(hash(h, n), buffer[0]);
	for (u32 i = 0; i < 4; i++) {                 /* records in the middle: locked, read, written back */
		lseek(fd, i * 1536, 0);
		if ((n = read(fd, buffer, 512)) <= 0) break;
		lseek(fd, i * 1536, 0);
		must(write(fd, buffer, n) == n);
		h = hash(h, buffer[n - 1]);
	}
	close(fd);
	return h;
}

static u32 client(u32 me, u32 rounds)
{
	static const u16 sizes[FILES] = { 1024, 8192, 24576, 4096, 49152, 12288 };
	struct stat st;
	u32 h = HASH_START;
	mkdir(path(me, ~0u, 0));
	for (u32 d = 0; d < DIRECTORIES; d++) mkdir(path(me, d, -1));
	for (u32 round = 0; round < rounds; round++) {
		for (u32 d = 0; d < DIRECTORIES; d++)
			for (u32 f = 0; f < FILES; f++) {
				h = hash(h, stat(path(me, d, f), &st));   /* is it there already? */
				h = hash(h, save(me, d, f, sizes[f]));
				must(!stat(path(me, d, f), &st) && st.size == sizes[f]);
			}
		for (u32 d = 0; d < DIRECTORIES; d++)
			for (u32 f = 0; f < FILES; f++) h = hash(h, read_back(me, d, f));
		for (u32 d = 0; d < DIRECTORIES; d++)
			for (u32 f = 0; f < FILES; f++) must(!unlink(path(me, d, f)));
	}
	return h;
}

static u32 wl_dbench(u32 n)
{
	int pipes[CLIENTS][2], status;
	u32 h = HASH_START, sum;
	if (mkdir("/clients") == -ENODEV) fail("there is no disk");
	start();
	for (u32 k = 0; k < CLIENTS; k++) {
		must(!pipe(pipes[k]));
		int pid = fork();
		must(pid >= 0);
		if (pid) continue;
		sum = client(k, n);
		write(pipes[k][1], &sum, 4);
		exit(0);
	}
	for (u32 k = 0; k < CLIENTS; k++) {
		must(read(pipes[k][0], &sum, 4) == 4 && wait(&status) > 0 && !status);
		h = hash(h, sum);
		close(pipes[k][0]);
		close(pipes[k][1]);
	}
	must(!sync());
	stop(1);
	return h;
}

const struct workload file_workloads[] = { { "dbench", wl_dbench, 6 }, { NULL } };
