/* XenStore: requests and replies as byte streams through one shared page. One request at a time. */
#include "kernel.h"
#include "xen.h"

enum { XS_DIRECTORY = 1, XS_READ = 2, XS_WATCH = 4, XS_WRITE = 11, XS_WATCH_EVENT = 15, XS_ERROR = 16 };
#define RING 1024
struct header { u32 type, id, tx, len; };
static struct { char req[RING], rsp[RING]; volatile u32 req_cons, req_prod, rsp_cons, rsp_prod; } *ring;
static struct waitq changed;
static u32 watch_events, port;

static void store_event(void) { wakeup(&changed); }

void store_init(void *page, u32 event_channel)
{
	ring = page;
	port = event_channel;
	event_bind(port, store_event);
}

static void put(const void *from, u32 n)
{
	const char *s = from;
	while (n) {
		irq_t flags = irq_save();
		while (ring->req_prod - ring->req_cons == RING) {
			event_send(port);
			sleep_on(&changed);
		}
		irq_restore(flags);
		ring->req[ring->req_prod % RING] = *s++;
		memory_barrier();
		ring->req_prod++;
		n--;
	}
}

/* Takes n bytes of the reply stream; to may be NULL. */
static void get(void *to, u32 n)
{
	char *s = to;
	while (n) {
		irq_t flags = irq_save();
		while (ring->rsp_prod == ring->rsp_cons) sleep_on(&changed);
		irq_restore(flags);
		memory_barrier();
		char c = ring->rsp[ring->rsp_cons % RING];
		if (s) *s++ = c;
		memory_barrier();
		ring->rsp_cons++;
		n--;
	}
	event_send(port);     /* there is room again */
}

/* One message; its body is cut to what fits, and ends with a 0. Returns its type, *len the body's length. */
static u32 receive(char *body, u32 size, u32 *len)
{
	struct header h;
	get(&h, sizeof h);
	u32 keep = h.len < size ? h.len : size - 1;
	if (keep) get(body, keep);
	body[keep] = 0;
	if (h.len > keep) get(NULL, h.len - keep);
	*len = keep;
	if (h.type == XS_WATCH_EVENT) watch_events++;
	return h.type;
}

static int request(u32 type, const char *path, const char *more, u32 more_len, char *reply, u32 size)
{
	static u32 id;
	struct header h = { type, ++id, 0, strlen(path) + 1 + more_len };
	u32 got, len;
	if (!ring) return -ENODEV;
	put(&h, sizeof h);
	put(path, strlen(path) + 1);
	put(more, more_len);
	event_send(port);
	do got = receive(reply, size, &len);
	while (got == XS_WATCH_EVENT);
	return got == XS_ERROR ? -ENOENT : (int)len;
}

int store_read(const char *path, char *value, u32 size) { return request(XS_READ, path, NULL, 0, value, size); }
int store_list(const char *path, char *names, u32 size) { return request(XS_DIRECTORY, path, NULL, 0, names, size); }

int store_write(const char *path, const char *value)
{
	char reply[16];
	return request(XS_WRITE, path, value, strlen(value), reply, sizeof reply);
}

int store_watch(const char *path)
{
	char reply[64];
	return request(XS_WATCH, path, "w", 2, reply, sizeof reply);
}

/* Until some watch fires that has not been waited for. */
void store_wait(void)
{
	static u32 seen;
	char body[64];
	u32 len;
	while (watch_events == seen) receive(body, sizeof body, &len);
	seen++;
}

u32 store_number(const char *dir, const char *key)
{
	char path[80], value[16];
	format(path, sizeof path, "%s/%s", dir, key);
	return store_read(path, value, sizeof value) < 0 ? 0 : atoi(value);
}

int store_set(const char *dir, const char *key, u32 v)
{
	char path[80], value[16];
	format(path, sizeof path, "%s/%s", dir, key);
	format(value, sizeof value, "%u", v);
	return store_write(path, value);
}

/* Until the other side of a device is in `state`; 0 when it closes instead. */
int store_await(const char *dir, u32 state)
{
	char path[80];
	format(path, sizeof path, "%s/state", dir);
	int watched = store_watch(path) >= 0;
	for (u32 tries = 0;; tries++) {
		u32 now = store_number(dir, "state");
		if (now == state) return 1;
		if (now >= STATE_CLOSING || (!watched && tries == 1000)) return 0;
		if (watched) store_wait();
		else H2(HC_sched_op, SCHEDOP_yield, 0);
	}
}
