/* A small relational store and two mixes of questions to it, as OSDB asks PostgreSQL: a server process with a heap file, a B-tree and
 * a pool of buffers of its own above the kernel's; a client process that sends requests through a pipe and gets rows back.
 * osdb-ir reads only, and the data fit the pool of the kernel; osdb-oltp changes rows, and a transaction has ended when its log is on
 * the disk. */
#include "work.h"

enum { ROWS = 6000, ROW = 100, PER_PAGE = PAGE / ROW, POOL = 48, FANOUT = 510, TREE_START = (ROWS + PER_PAGE - 1) / PER_PAGE };
struct row { u32 key, branch, balance, history; char filler[ROW - 16]; };
struct tree_page { u32 count, leaf, key[FANOUT], to[FANOUT]; };
_Static_assert(sizeof(struct row) == ROW && sizeof(struct tree_page) <= PAGE, "pages");

/* --- buffers: a clock over frames that are read from the file --- */

static struct frame { u32 page, dirty, used; u8 data[PAGE]; } pool[POOL] __attribute__((aligned(4096)));
static u32 hand;
static int table;

static void put_back(struct frame *f)
{
	lseek(table, f->page * PAGE, 0);
	must(write(table, f->data, PAGE) == PAGE);
	f->dirty = 0;
}

static struct frame *page(u32 number)
{
	static u32 bucket[256];                       /* a hint: where it was last */
	struct frame *f = &pool[bucket[number % 256] % POOL];
	if (f->page == number && f->used) { f->used = 2; return f; }
	for (f = pool; f < pool + POOL; f++)
		if (f->page == number && f->used) { f->used = 2; bucket[number % 256] = f - pool; return f; }
	do f = &pool[hand++ % POOL]; while (f->used && --f->used);
	if (f->dirty) put_back(f);
	lseek(table, number * PAGE, 0);
	int n = read(table, f->data, PAGE);
	if (n < PAGE) memset(f->data + (n > 0 ? n : 0), 0, PAGE - (n > 0 ? n : 0));
	f->page = number;
	f->used = 2;
	bucket[number % 256] = f - pool;
	return f;
}

static struct row *row(u32 number, struct frame **f)
{
	*f = page(number / PER_PAGE);
	return (struct row *)(*f)->data + number % PER_PAGE;
}

/* --- the index, built once from sorted keys: one root over the leaves --- */

static u32 key_of(u32 number) { return number * 3 + 1; }

static void build(void)
{
	struct frame *f;
	u32 leaves = (ROWS + FANOUT - 1) / FANOUT, v = 1;
	for (u32 i = 0; i < ROWS; i++) {
		struct row *r = row(i, &f);
		*r = (struct row){ key_of(i), i % 10, 1000 + i % 77, 0 };
		for (u32 k = 0; k < sizeof r->filler; k++) r->filler[k] = 'A' + ((v = v * 1103515245 + 12345) >> 16) % 26;
		f->dirty = 1;
	}
	for (u32 l = 0; l < leaves; l++) {
		f = page(TREE_START + 1 + l);
		struct tree_page *t = (void *)f->data;
		t->leaf = 1;
		t->count = 0;
		for (u32 i = l * FANOUT; i < ROWS && t->count < FANOUT; i++) {
			t->key[t->count] = key_of(i);
			t->to[t->count++] = i;
		}
		f->dirty = 1;
		f = page(TREE_START);
		t = (void *)f->data;
		t->key[l] = key_of(l * FANOUT);
		t->to[l] = TREE_START + 1 + l;
		t->count = l + 1;
		f->dirty = 1;
	}
	for (f = pool; f < pool + POOL; f++)
		if (f->dirty) put_back(f);
}

static u32 lookup(u32 key)
{
	for (u32 at = TREE_START;;) {
		struct tree_page *t = (void *)page(at)->data;
		u32 low = 0, high = t->count;
		while (high - low > 1) {
			u32 middle = (low + high) / 2;
			if (t->key[middle] <= key) low = middle;
			else high = middle;
		}
		if (t->leaf) return t->key[low] == key ? t->to[low] : ~0u;
		at = t->to[low];
	}
}

/* --- the server: requests in, rows or one number out --- */

enum { SELECT, RANGE, SCAN, UPDATE, STOP };
struct request { u32 what, key, to; };
static int log_file;
static u32 log_at;

/* Write-ahead: the change is in the log, and the log on the disk, before the client is told. */
static u32 update(u32 key, u32 amount)
{
	struct { u32 transaction, key, before, after, check[28]; } record = { log_at, key };
	struct frame *f;
	u32 number = lookup(key);
	if (number == ~0u) return 0;
	struct row *r = row(number, &f);
	record.before = r->balance;
	record.after = r->balance += amount;
	r->history++;
	f->dirty = 1;
	must(write(log_file, &record, sizeof record) == sizeof record && !fsync(log_file));
	log_at++;
	return record.after;
}

/* Rows go out a buffer at a time. */
static void send(int out, const struct row *r, u32 *fill)
{
	static u8 buffer[4000];
	if (r) { memcpy(buffer + *fill, r, ROW); *fill += ROW; }
	if (*fill && (!r || *fill == sizeof buffer)) {
		must(write(out, buffer, *fill) == (int)*fill);
		*fill = 0;
	}
}

static void serve(int in, int out)
{
	struct request q;
	struct frame *f;
	while (read(in, &q, sizeof q) == sizeof q && q.what != STOP) {
		u32 count = 0, fill = 0, first = q.what == SCAN ? 0 : lookup(q.key), last = q.what == RANGE ? first + q.to : first + 1;
		if (q.what == UPDATE) {
			u32 now = update(q.key, q.to);
			must(write(out, &now, 4) == 4);
			continue;
		}
		if (q.what == SCAN) last = ROWS;
		if (last > ROWS) last = ROWS;
		for (u32 pass = 0; pass < 2; pass++) {        /* how many there are, then the rows */
			for (u32 i = first; i < last; i++) {
				struct row *r = row(i, &f);
				if (q.what == SCAN && (r->branch != q.key || r->balance % 7 != q.to)) continue;
				if (pass) send(out, r, &fill);
				else count++;
			}
			if (!pass) must(write(out, &count, 4) == 4);
		}
		send(out, NULL, &fill);
	}
}

/* --- the client --- */

static u32 ask(int to, int from, struct request q)
{
	static struct row rows[40];
	u32 n, h = HASH_START;
	must(write(to, &q, sizeof q) == sizeof q && read(from, &n, 4) == 4);
	if (q.what == UPDATE) return n;
	for (u32 left = n * ROW, got = 0; left; left -= got) {
		int part = read(from, (u8 *)rows, left < sizeof rows ? left : sizeof rows);
		must(part > 0);
		got = part;
		for (u32 i = 0; i + 4 <= got; i += 4) h = hash(h, ((u32 *)rows)[i / 4]);
	}
	return hash(h, n);
}

/* A new table and its server; the pipes to it. */
static int open_database(int *to, int *from)
{
	int in[2], out[2];
	if ((table = open("/table", O_CREAT | O_TRUNC)) == -ENODEV) fail("there is no disk");
	log_file = open("/log", O_CREAT | O_TRUNC);
	must(table >= 0 && log_file >= 0);
	build();
	must(!sync() && !pipe(in) && !pipe(out));
	int pid = fork();
	must(pid >= 0);
	if (!pid) {
		serve(in[0], out[1]);
		exit(0);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return pid;
}

static u32 mix(u32 n, int transactions)
{
	int to, from, status, pid = open_database(&to, &from);
	u32 h = HASH_START, v = 7;
	start();
	for (u32 i = 0; i < n; i++) {
		v = v * 1103515245 + 12345;
		u32 key = key_of((v >> 8) % ROWS);
		if (transactions) h = hash(h, ask(to, from, (struct request){ i % 4 == 3 ? SELECT : UPDATE, key, i }));
		else if (i % 40 == 39) h = hash(h, ask(to, from, (struct request){ SCAN, i % 10, i % 7 }));
		else if (i % 4 == 3) h = hash(h, ask(to, from, (struct request){ RANGE, key, 60 }));
		else h = hash(h, ask(to, from, (struct request){ SELECT, key }));
	}
	stop(n);
	must(write(to, &(struct request){ STOP }, sizeof(struct request)) > 0 && wait(&status) == pid && !status);
	close(to);
	close(from);
	close(table);
	close(log_file);
	unlink("/table");
	unlink("/log");
	return h;
}

static u32 wl_osdb_ir(u32 n) { return mix(n, 0); }
static u32 wl_osdb_oltp(u32 n) { return mix(n, 1); }

const struct workload database_workloads[] = { { "osdb-ir", wl_osdb_ir, 2000 }, { "osdb-oltp", wl_osdb_oltp, 400 }, { NULL } };
