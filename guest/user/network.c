/* Workloads of the network: connections over loopback, and bulk transfers to and from the far end of the cable. */
#include "work.h"

static u32 block[4096];                       /* 16 KB */

#define FAR_HOST 0x0A000202                   /* 10.0.2.2: the other end of the cable */
enum { TTCP_SINK = 5001, TTCP_SOURCE = 5002, TTCP_BUFFER = 16384 };

static int call(u32 ip, u32 port)
{
	struct sockaddr a = inet(ip, port);
	int fd = socket(), err;
	must(fd >= 0);
	if ((err = connect(fd, &a))) {
		say("connect: error %d\n", -err);
		fail("there is nobody at the other end of the network");
	}
	return fd;
}

static u32 read_all(int fd, void *to, u32 n)
{
	u32 got = 0;
	for (int part; got < n && (part = read(fd, to + got, n - got)) > 0;) got += part;
	return got;
}

/* As ttcp -t: n KB in writes of 16 KB. The far end answers with how much came and a hash of it, so all of it has arrived. */
static u32 wl_ttcp_tx(u32 n)
{
	u32 answer[2], h = HASH_START;
	for (u32 i = 0; i < countof(block); i++) block[i] = i * 0x9E3779B9;
	int fd = call(FAR_HOST, TTCP_SINK);
	start();
	for (u32 left = n * 1024, part; left; left -= part) {
		part = left < TTCP_BUFFER ? left : TTCP_BUFFER;
		block[0] = left;
		must(write(fd, block, part) == (int)part);
	}
	must(!shutdown(fd, 1));
	must(read_all(fd, answer, sizeof answer) == sizeof answer);
	stop(n);
	must(answer[0] == n * 1024);
	close(fd);
	return hash(hash(h, answer[0]), answer[1]);
}

/* As ttcp -r: the far end is asked for n KB; the last byte comes with the end of the stream. */
static u32 wl_ttcp_rx(u32 n)
{
	u32 bytes = n * 1024, total = 0, h = HASH_START;
	int fd = call(FAR_HOST, TTCP_SOURCE);
	start();
	must(write(fd, &bytes, 4) == 4);
	for (u32 part; (part = read_all(fd, block, TTCP_BUFFER)); total += part)
		h = hash(hash(h, block[0]), ((u8 *)block)[part - 1]);
	stop(n);
	must(total == bytes);
	close(fd);
	return hash(h, total);
}

/* As lmbench's lat_select: n polls of 100 connections, none of which has anything to say. */
static u32 wl_select_tcp(u32 n)
{
	static int ends[100][2];
	struct sockaddr a = inet(0x7F000001, 7000);
	int l = socket(), count = 0;
	u32 set[4] = { 0 }, h = HASH_START;
	must(l >= 0 && !bind(l, &a) && !listen(l, 8));
	/* Descriptors of one process are 128: the other ends belong to a child. */
	int ready[2], child, status, there = 0;
	must(!pipe(ready) && (child = fork()) >= 0);
	if (!child) {
		for (u32 i = 0; i < 100; i++) must(accept(l) >= 0);
		write(ready[1], &there, 1);
		for (;;) yield();
	}
	for (u32 i = 0; i < 100; i++) {
		int fd = ends[i][0] = call(0x7F000001, 7000);
		set[fd / 32] |= 1u << fd % 32;
	}
	must(read(ready[0], &there, 1) == 1);
	struct timeval now = { 0, 0 };
	start();
	for (u32 i = 0; i < n; i++) {
		u32 asked[4] = { set[0], set[1], set[2], set[3] };
		count += select(128, asked, NULL, &now);
	}
	stop(n);
	h = hash(h, count);
	for (u32 i = 0; i < 100; i++) close(ends[i][0]);
	kill(child, SIGKILL);
	wait(&status);
	close(l);
	close(ready[0]);
	close(ready[1]);
	return h;
}

const struct workload network_workloads[] = {
	{ "select-tcp", wl_select_tcp, 2000 },
	{ "ttcp-tx-1500", wl_ttcp_tx, 4096 },     /* KB; the number is the MTU, which the kernel is told by mtu= */
	{ "ttcp-rx-1500", wl_ttcp_rx, 4096 },
	{ "ttcp-tx-500", wl_ttcp_tx, 2048 },
	{ "ttcp-rx-500", wl_ttcp_rx, 2048 },
	{ NULL },
};
