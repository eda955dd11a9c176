/* Packets, Ethernet with ARP, IPv4 without fragments, ICMP echo, the loopback. */
#include "net.h"

struct interface eth;

/* --- packets --- */

static struct packet pool[1024];
static struct packet *free_packets;
static u32 made;

struct packet *packet_alloc(void)
{
	struct packet *p = free_packets;
	if (p) free_packets = p->next;
	else {
		u32 pfn = made < countof(pool) ? frame_alloc() : 0;
		if (!pfn) return NULL;
		p = &pool[made++];
		p->page = va_of(pfn);
	}
	p->next = NULL;
	p->data = p->page + HEADROOM;
	p->len = p->sum = p->payload = 0;
	p->refs = 1;
	p->flags = p->trusted = 0;
	return p;
}

void packet_put(struct packet *p)
{
	if (--p->refs) return;
	p->next = free_packets;
	free_packets = p;
}

void packets_add(struct packets *q, struct packet *p)
{
	p->next = NULL;
	if (q->head) q->tail->next = p;
	else q->head = p;
	q->tail = p;
}

struct packet *packets_take(struct packets *q)
{
	struct packet *p = q->head;
	if (p) q->head = p->next;
	return p;
}

void card_add(struct packets *q, struct packet *p)
{
	p->behind = NULL;
	if (q->head) q->tail->behind = p;
	else q->head = p;
	q->tail = p;
}

struct packet *card_take(struct packets *q)
{
	struct packet *p = q->head;
	if (p) q->head = p->behind;
	return p;
}

/* --- Ethernet and ARP --- */

/* Who has which address; a packet waits where the answer is still to come. */
static struct neighbour { u32 ip; u8 mac[6], known; struct packet *waiting; } neighbours[8];
static u32 next_victim;
enum { ARP_REQUEST = 1, ARP_REPLY = 2, ARP_BYTES = 28 };

static void frame_send(struct packet *p, const u8 *to, u32 type)
{
	p->data -= ETH_BYTES;
	p->len += ETH_BYTES;
	memcpy(p->data, to, 6);
	memcpy(p->data + 6, eth.mac, 6);
	put16(p->data + 12, type);
	nic_send(p);
}

static void arp_send(u32 operation, const u8 *to, u32 ip)
{
	static const u8 everybody[6] = { 255, 255, 255, 255, 255, 255 }, nobody[6];
	struct packet *p = packet_alloc();
	if (!p) return;
	u8 *a = p->data;
	put32(a, 0x00010800);                     /* Ethernet, IPv4, */
	put32(a + 4, 0x06040000 | operation);     /* six bytes and four */
	memcpy(a + 8, eth.mac, 6);
	put32(a + 14, eth.ip);
	memcpy(a + 18, to ? to : nobody, 6);
	put32(a + 24, ip);
	p->len = ARP_BYTES;
	frame_send(p, to ? to : everybody, ETH_ARP);
}

static struct neighbour *neighbour(u32 ip, int make)
{
	for (struct neighbour *n = neighbours; n < neighbours + countof(neighbours); n++)
		if (n->ip == ip) return n;
	if (!make) return NULL;
	struct neighbour *n = &neighbours[next_victim++ % countof(neighbours)];
	if (n->waiting) packet_put(n->waiting);
	*n = (struct neighbour){ .ip = ip };
	return n;
}

/* RFC 826, "Packet Reception": what is known is brought up to date; who asks for us is remembered and answered. */
static void arp_input(struct packet *p)
{
	u8 *a = p->data;
	if (p->len >= ARP_BYTES && get32(a) == 0x00010800 && get16(a + 4) == 0x0604) {
		u32 from = get32(a + 14), mine = get32(a + 24) == eth.ip;
		struct neighbour *n = from ? neighbour(from, mine) : NULL;
		if (n) {
			memcpy(n->mac, a + 8, 6);
			n->known = 1;
			if (n->waiting) frame_send(n->waiting, n->mac, ETH_IP);
			n->waiting = NULL;
		}
		if (mine && get16(a + 6) == ARP_REQUEST) arp_send(ARP_REPLY, a + 8, from);
	}
	packet_put(p);
}

void arp_retry(void)
{
	for (struct neighbour *n = neighbours; n < neighbours + countof(neighbours); n++)
		if (n->waiting) arp_send(ARP_REQUEST, NULL, n->ip);
}

/* --- IPv4 --- */

static struct packets loopback;

u32 ip_source(u32 to) { return to >> 24 == 127 ? to : eth.ip; }
static int is_local(u32 to) { return to >> 24 == 127 || to == eth.ip; }
u32 ip_mtu(u32 to) { return is_local(to) ? MTU_MAX : eth.mtu; }

void ip_send(struct packet *p, u32 to, u32 protocol)
{
	static u16 id;
	u8 *h = p->data -= IP_BYTES;
	p->len += IP_BYTES;
	put32(h, 0x45000000 | p->len);
	put32(h + 4, id++ << 16 | 0x4000);        /* don't fragment */
	put32(h + 8, 64u << 24 | protocol << 16);
	put32(h + 12, ip_source(to));
	put32(h + 16, to);
	*(u16 *)(h + 10) = sum_fold(sum_of(h, IP_BYTES, 0));
	if (is_local(to)) {
		struct packet *copy = packet_alloc();     /* TCP keeps its own for another try */
		if (copy) {
			memcpy(copy->data, h, p->len);
			copy->len = p->len;
			copy->trusted = 1;
			packets_add(&loopback, copy);
		}
		packet_put(p);
		return;
	}
	u32 hop = (to ^ eth.ip) & eth.mask ? eth.gateway : to;
	if (!eth.present || !hop) { packet_put(p); return; }
	struct neighbour *n = neighbour(hop, 1);
	if (n->known) frame_send(p, n->mac, ETH_IP);
	else {
		if (n->waiting) packet_put(n->waiting);
		n->waiting = p;
		arp_send(ARP_REQUEST, NULL, hop);
	}
}

/* An echo request goes back as it came, as a reply (RFC 792). */
static void icmp_input(struct packet *p, u32 from, u32 to)
{
	u8 *h = p->data;
	if (p->len < 8 || h[0] != 8 || h[1] || sum_fold(sum_of(h, p->len, 0)) || p->data - p->page < ETH_BYTES + IP_BYTES) {
		packet_put(p);
		return;
	}
	h[0] = 0;
	*(u16 *)(h + 2) = 0;
	*(u16 *)(h + 2) = sum_fold(sum_of(h, p->len, 0));
	ip_send(p, from, IP_ICMP);
}

static void ip_input(struct packet *p)
{
	u8 *h = p->data;
	u32 head = (h[0] & 15) * 4, total = get16(h + 2);
	if (p->len < IP_BYTES || h[0] >> 4 != 4 || head < IP_BYTES || total < head || total > p->len ||
		(get16(h + 6) & 0x3FFF) || (!p->trusted && sum_fold(sum_of(h, head, 0)))) {
		packet_put(p);
		return;
	}
	u32 from = get32(h + 12), to = get32(h + 16);
	p->data += head;
	p->len = total - head;                    /* without what pads a short frame */
	if (!is_local(to)) packet_put(p);
	else if (h[9] == IP_TCP) tcp_input(p, from, to);
	else if (h[9] == IP_ICMP) icmp_input(p, from, to);
	else packet_put(p);
}

int net_settle(void)
{
	static int settling;
	if (settling) return 0;
	int any = loopback.head != NULL;
	settling = 1;
	for (struct packet *p; (p = packets_take(&loopback));) ip_input(p);
	settling = 0;
	nic_flush();
	return any;
}

void net_receive(struct packet *p)
{
	u32 type = p->len >= ETH_BYTES ? get16(p->data + 12) : 0;
	p->data += ETH_BYTES;
	p->len -= type ? ETH_BYTES : 0;
	if (type == ETH_IP) ip_input(p);
	else if (type == ETH_ARP) arp_input(p);
	else packet_put(p);
}

/* --- start --- */

static u32 address(const char *s)
{
	u32 ip = 0;
	for (u32 i = 0; i < 4; i++, s++) {
		ip = ip << 8 | (atoi(s) & 255);
		while (*s >= '0' && *s <= '9') s++;
		if (*s != '.') return i == 3 ? ip : 0;
	}
	return 0;
}

/* The value of `key` on the kernel's command line, NULL without one. */
static const char *option(const char *line, const char *key)
{
	for (const char *p = line; *p; p++)
		if ((p == line || p[-1] == ' ') && !strncmp(p, key, strlen(key))) return p + strlen(key);
	return NULL;
}

/* The addresses are those of QEMU's user network: we are 10.0.2.15 and the other side 10.0.2.2. */
void net_init(const char *line)
{
	const char *ip = option(line, "ip="), *mtu = option(line, "mtu=");
	irq_t flags = irq_save();
	eth.ip = ip ? address(ip) : 0x0A00020F;
	eth.mask = 0xFFFFFF00;
	eth.gateway = (eth.ip & eth.mask) | 2;
	eth.mtu = mtu ? atoi(mtu) : MTU_MAX;
	if (eth.mtu < 68 || eth.mtu > MTU_MAX) eth.mtu = MTU_MAX;
	irq_restore(flags);
	eth.present = nic_init(eth.mac);
}
