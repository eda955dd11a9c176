/* A web server under SPEC WEB99's mix: files of four classes of size, of which small ones are asked for most, and three in ten answers
 * made for the asker: a record of his read, an advertisement chosen, the visit logged. Workers accept from one socket, as Apache's
 * do. The browsers are at the other end of the cable (hypervisor/network), so that every byte goes through the network card. */
#include "work.h"

enum { PORT = 80, WORKERS = 4, CLASSES = 4, PER_CLASS = 9, USERS = 64, ADS = 360, RECORD = 64 };
static const u16 unit[CLASSES] = { 102, 1024, 10240, 30720 };   /* a class's files are one to nine tenths of a KB, KBs ... */
static u8 page[30720];

static void make_documents(void)
{
	char name[40];
	if (mkdir("/www") == -ENODEV) fail("there is no disk");
	for (u32 i = 0; i < sizeof page; i++) page[i] = i * 7 + i / 256;
	for (u32 c = 0; c < CLASSES; c++)
		for (u32 f = 1; f <= PER_CLASS; f++) {
			format(name, sizeof name, "/www/class%u_%u", c, f);
			int fd = create(name);
			for (u32 left = c == 3 ? unit[3] : unit[c] * f, part; left; left -= part) {
				part = left < sizeof page ? left : sizeof page;
				must(write(fd, page, part) == (int)part);
			}
			close(fd);
		}
	int users = create("/www/users"), ads = create("/www/ads");
	for (u32 i = 0; i < ADS; i++) {
		u32 record[RECORD / 4];
		for (u32 k = 0; k < countof(record); k++) record[k] = i * 2654435761u + k * 40503;
		if (i < USERS) must(write(users, record, RECORD) == RECORD);
		must(write(ads, record, RECORD) == RECORD);
	}
	close(users);
	close(ads);
	must(!sync());
}

static void answer(int to, const void *what, u32 n) { write(to, what, n); }

static void answer_file(int to, const char *path)
{
	char name[40], head[120];
	struct stat st;
	int fd, n;
	format(name, sizeof name, "/www%s", path);
	if (stat(name, &st) || (fd = open(name, 0)) < 0) {
		answer(to, head, format(head, sizeof head, "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
		return;
	}
	answer(to, head, format(head, sizeof head, "HTTP/1.0 200 OK\r\nServer: trivisor\r\nContent-Type: text/html\r\nContent-Length: %u\r\n\r\n", st.size));
	while ((n = read(fd, page, 8192)) > 0) answer(to, page, n);
	close(fd);
}

/* Which advertisement suits a user: by what his record and each of theirs have in common. */
static void answer_dynamic(int to, u32 user, u32 visit)
{
	static u32 all[ADS * RECORD / 4], mine[RECORD / 4];
	char text[200];
	u32 best = 0, score = 0;
	int fd = open("/www/users", 0);
	lseek(fd, user % USERS * RECORD, 0);
	must(read(fd, mine, RECORD) == RECORD);
	close(fd);
	fd = open("/www/ads", 0);
	must(read(fd, all, sizeof all) == sizeof all);
	close(fd);
	for (u32 a = 0; a < ADS; a++) {
		u32 common = 0;
		for (u32 k = 0; k < 8; k++) common += popcount(all[a * RECORD / 4 + k] & mine[k]);
		if (common > score) { score = common; best = a; }
	}
	fd = open("/www/log", O_CREAT | O_APPEND);
	write(fd, text, format(text, sizeof text, "%u %u %u\n", visit, user, best));
	close(fd);
	u32 n = format(text, sizeof text, "<html><body>user %u is shown advertisement %u (%u)</body></html>\n", user, best, score);
	answer(to, page, format((char *)page, 200, "HTTP/1.0 200 OK\r\nServer: trivisor\r\nContent-Type: text/html\r\nContent-Length: %u\r\n\r\n", n));
	answer(to, text, n);
}

static u32 answer_next(int listener, u32 visit)
{
	char request[256];
	int c = accept(listener), n = 0, got;
	if (c < 0) return 0;
	while (n < (int)sizeof request - 1 && (got = read(c, request + n, sizeof request - 1 - n)) > 0) {
		n += got;
		request[n] = 0;
		if (n > 3 && !strcmp(request + n - 4, "\r\n\r\n")) break;
	}
	char *path = request + 4, *end = path;
	while (*end > ' ') end++;
	*end = 0;
	if (!strncmp(path, "/cgi/", 5)) answer_dynamic(c, atoi(path + 5), visit);
	else answer_file(c, path);
	close(c);
	return n;
}

/* The browsers have been told to ask n + 1 times. The first answer, which shows that they are there, is not measured. */
static u32 wl_specweb(u32 n)
{
	struct sockaddr a = inet(0, PORT);
	int pids[WORKERS], go[2], p[2], status;
	u32 bytes, total;
	make_documents();
	int l = socket();
	must(l >= 0 && !pipe(p) && !pipe(go));
	for (u32 k = 0; k < WORKERS; k++) {
		must((pids[k] = fork()) >= 0);
		if (pids[k]) continue;
		read(go[0], &bytes, 1);
		for (u32 visit = 0; ; visit++)
			if ((bytes = answer_next(l, visit))) write(p[1], &bytes, 4);
	}
	must(!bind(l, &a) && !listen(l, 16));
	total = answer_next(l, 0);
	start();
	must(write(go[1], "go!!", WORKERS) == WORKERS);
	for (u32 i = 0; i < n; i++) {
		must(read(p[0], &bytes, 4) == 4);
		total += bytes;
	}
	stop(n);
	for (u32 k = 0; k < WORKERS; k++) {
		kill(pids[k], SIGKILL);
		wait(&status);
	}
	return hash(HASH_START, total);
}

const struct workload web_workloads[] = { { "specweb", wl_specweb, 150 }, { NULL } };
