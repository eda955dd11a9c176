/* The disk: a ring of requests in a page shared with the back end by a grant, an event channel both ways, and the
 * store to find each other. One request at a time, as the cache above asks. */
#include "kernel.h"

enum { GRANT_RING = 8, GRANT_DATA = 9 };      /* 0 to 7 are reserved */
#define SECTORS (PAGE / 512)
struct request { u8 operation, segments; u16 handle; u64 id, sector; struct { u32 grant; u8 first, last; } seg[11]; };
struct response { u64 id; u8 operation; short status; };
struct ring {
	volatile u32 req_prod, req_event, rsp_prod, rsp_event;
	u8 pad[48];
	union { struct request request; struct response response; } entry[32];   /* as many as fit, rounded down to 2^n */
};
_Static_assert(sizeof(struct request) == 108 && sizeof(struct response) == 12, "blkif layouts");

static struct ring *ring;
static u32 port, backend, handle, rsp_cons;
static struct waitq done;

static void disk_event(void) { wakeup(&done); }

u32 disk_init(void)
{
	char id[32], dir[48], other[64], path[80];
	if (store_list("device/vbd", id, sizeof id) <= 0) return 0;   /* names end with 0: this is the first */
	format(dir, sizeof dir, "device/vbd/%s", id);
	format(path, sizeof path, "%s/backend", dir);
	if (store_read(path, other, sizeof other) < 0) return 0;
	backend = store_number(dir, "backend-id");
	handle = store_number(dir, "virtual-device");
	if (!handle) handle = atoi(id);

	ring = page_alloc();
	ring->req_event = ring->rsp_event = 1;
	grant(GRANT_RING, backend, pfn_of(ring), 0);
	port = event_alloc(backend);
	event_bind(port, disk_event);
	if (store_set(dir, "ring-ref", GRANT_RING) < 0 || store_set(dir, "event-channel", port) < 0) return 0;
	format(path, sizeof path, "%s/protocol", dir);
	if (store_write(path, "x86_32-abi") < 0 || store_set(dir, "state", STATE_INITIALISED) < 0) return 0;

	if (!store_await(other, STATE_CONNECTED)) return 0;
	u32 sectors = store_number(other, "sectors");
	store_set(dir, "state", STATE_CONNECTED);
	return sectors / SECTORS;
}

int disk_io(int write, u32 block, void *page)
{
	u32 at = ring->req_prod;
	grant(GRANT_DATA, backend, pfn_of(page), write);
	ring->entry[at % 32].request = (struct request){ .operation = write, .segments = 1, .handle = handle,
		.id = at, .sector = (u64)block * SECTORS, .seg = { { GRANT_DATA, 0, SECTORS - 1 } } };
	memory_barrier();                         /* the request is there before it is announced, */
	ring->req_prod = at + 1;
	memory_barrier();                         /* and announced before we ask whether the other side sleeps */
	if (ring->req_event - at - 1 == 0) event_send(port);

	irq_t flags = irq_save();
	for (;;) {
		ring->rsp_event = rsp_cons + 1;
		memory_barrier();
		if (ring->rsp_prod != rsp_cons) break;
		sleep_on(&done);
	}
	irq_restore(flags);
	memory_barrier();
	struct response r = ring->entry[rsp_cons++ % 32].response;
	grant_end(GRANT_DATA);
	return r.status || (u32)r.id != at ? -EIO : 0;
}
