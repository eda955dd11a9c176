/* The network card: a ring of frames to send and one of pages to fill, shared with the back end by grants, with an event channel
 * both ways (public/io/netif.h). A sent page is granted until the answer; frames that come are copied into our pages. */
#include "net.h"
#include "xen.h"

#define ENTRIES 256u
enum { GRANT_TX_RING = 10, GRANT_RX_RING = 11, GRANT_TX = 16, GRANT_RX = GRANT_TX + ENTRIES };
struct tx_request { u32 grant; u16 offset, flags, id, size; };
struct tx_response { u16 id; short status; };
struct rx_request { u16 id, pad; u32 grant; };
struct rx_response { u16 id, offset, flags; short status; };
#define RING(request, response) { volatile u32 req_prod, req_event, rsp_prod, rsp_event; u8 pad[48]; \
	union { struct request request; struct response response; } entry[ENTRIES]; }
static struct RING(tx_request, tx_response) *tx;
static struct RING(rx_request, rx_response) *rx;
_Static_assert(sizeof(struct tx_request) == 12 && sizeof(struct rx_request) == 8 && sizeof(struct rx_response) == 8, "netif layouts");

static u32 port, backend, tx_prod, tx_cons, rx_prod, rx_cons, announced;
static struct packet *sending[ENTRIES], *filling[ENTRIES];   /* by id, which is the slot */
static struct packets queue;

/* Requests go into the ring as long as it has room; netfront_flush tells the other side of all of them at once. */
static void start(void)
{
	struct packet *p;
	while (tx_prod - tx_cons < ENTRIES && (p = card_take(&queue))) {
		u32 id = tx_prod % ENTRIES;
		sending[id] = p;
		grant(GRANT_TX + id, backend, pfn_of(p->page), 1);
		tx->entry[id].tx_request = (struct tx_request){ GRANT_TX + id, p->data - p->page, 0, id, p->len };
		tx_prod++;
	}
}

void netfront_send(struct packet *p)
{
	if (!tx) { packet_put(p); return; }
	card_add(&queue, p);
	start();
}

void netfront_flush(void)
{
	u32 old = announced;
	if (!tx || old == tx_prod) return;
	memory_barrier();                         /* requests are there before they are announced, */
	announced = tx->req_prod = tx_prod;
	memory_barrier();                         /* and announced before we ask whether the other side sleeps */
	if (tx_prod - tx->req_event < tx_prod - old) event_send(port);
}

static void sent(void)
{
	do {
		for (u32 end = tx->rsp_prod; tx_cons != end; tx_cons++) {
			memory_barrier();
			u32 id = tx->entry[tx_cons % ENTRIES].tx_response.id % ENTRIES;
			if (!sending[id]) continue;
			grant_end(GRANT_TX + id);
			packet_put(sending[id]);
			sending[id] = NULL;
		}
		tx->rsp_event = tx_cons + 1;
		memory_barrier();
	} while (tx->rsp_prod != tx_cons);
	start();
}

static void offer(u32 slot, struct packet *p)
{
	filling[slot] = p;
	grant(GRANT_RX + slot, backend, pfn_of(p->page), 0);
	rx->entry[slot].rx_request = (struct rx_request){ .id = slot, .grant = GRANT_RX + slot };
	rx_prod++;
}

static void receive(void)
{
	do {
		for (u32 end = rx->rsp_prod; rx_cons != end; rx_cons++) {
			memory_barrier();
			struct rx_response r = rx->entry[rx_cons % ENTRIES].rx_response;
			u32 slot = r.id % ENTRIES;
			struct packet *p = filling[slot], *fresh = r.status > 0 ? packet_alloc() : NULL;
			if (!p) continue;
			grant_end(GRANT_RX + slot);
			offer(rx_prod % ENTRIES, fresh ? fresh : p);   /* without another page the frame is lost */
			if (!fresh) continue;
			p->data = p->page + (r.offset < PAGE ? r.offset : 0);
			p->len = r.status;
			net_receive(p);
		}
		memory_barrier();
		rx->req_prod = rx_prod;               /* the back end is never told: it looks when it has something */
		rx->rsp_event = rx_cons + 1;
		memory_barrier();
	} while (rx->rsp_prod != rx_cons);
}

static void net_event(void)
{
	sent();
	receive();
	net_settle();
}

static void *shared_ring(u32 ref)
{
	struct { volatile u32 req_prod, req_event, rsp_prod, rsp_event; } *ring = page_alloc();
	ring->req_event = ring->rsp_event = 1;
	grant(ref, backend, pfn_of(ring), 0);
	return ring;
}

static u32 hex(u32 c) { return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10; }

int netfront_init(u8 *mac)
{
	char id[32], dir[48], other[64], path[80], text[20] = "";
	if (store_list("device/vif", id, sizeof id) <= 0) return 0;   /* names end with 0: this is the first */
	format(dir, sizeof dir, "device/vif/%s", id);
	format(path, sizeof path, "%s/backend", dir);
	if (store_read(path, other, sizeof other) < 0) return 0;
	format(path, sizeof path, "%s/mac", dir);
	if (store_read(path, text, sizeof text) != 17 || !store_number(other, "feature-rx-copy")) return 0;
	for (u32 i = 0; i < 6; i++) mac[i] = hex(text[3 * i]) << 4 | hex(text[3 * i + 1]);
	backend = store_number(dir, "backend-id");

	rx = shared_ring(GRANT_RX_RING);
	for (u32 i = 0; i < ENTRIES; i++) {
		struct packet *p = packet_alloc();
		if (!p) return 0;
		offer(i, p);
	}
	rx->req_prod = rx_prod;
	tx = shared_ring(GRANT_TX_RING);
	port = event_alloc(backend);
	event_bind(port, net_event);
	format(path, sizeof path, "%s/protocol", dir);
	if (store_write(path, "x86_32-abi") < 0 || store_set(dir, "tx-ring-ref", GRANT_TX_RING) < 0 || store_set(dir, "rx-ring-ref", GRANT_RX_RING) < 0
		|| store_set(dir, "event-channel", port) < 0 || store_set(dir, "request-rx-copy", 1) < 0
		|| store_set(dir, "state", STATE_CONNECTED) < 0 || !store_await(other, STATE_CONNECTED)) tx = NULL;
	return tx != NULL;
}
