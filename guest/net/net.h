/* A small TCP/IP: Ethernet, ARP (RFC 826), IPv4 (RFC 791), ICMP echo (RFC 792), TCP (RFC 9293, 5681, 6298).
 * All of it runs with interrupts off: from the card's interrupt, from the tick, or inside a system call. */
#ifndef NET_H
#define NET_H
#include "kernel.h"

enum { ETH_BYTES = 14, IP_BYTES = 20, TCP_BYTES = 20, ETH_IP = 0x0800, ETH_ARP = 0x0806, IP_ICMP = 1, IP_TCP = 6 };
enum { MTU_MAX = 1500, HEADROOM = 64 };       /* what TCP sends begins HEADROOM bytes into its page, with room for all headers */

/* A frame, or a part of one: `len` bytes at `data`, in a page of its own, so that it can be granted. */
struct packet {
	struct packet *next, *behind;             /* in TCP's queues; in the card's, where it may be at the same time */
	u8 *page, *data;
	u32 len, refs;
	u32 seq, sum, payload;                    /* TCP's send queue: first number; sum and bytes of the payload so far */
	u8 flags, trusted;                        /* trusted: nobody need check its sums */
};
struct packets { struct packet *head, *tail; };
struct packet *packet_alloc(void);            /* one reference; NULL when there is no room */
void packet_put(struct packet *p);
void packets_add(struct packets *q, struct packet *p);
struct packet *packets_take(struct packets *q);
void card_add(struct packets *q, struct packet *p);
struct packet *card_take(struct packets *q);

struct interface { u32 ip, mask, gateway, mtu; u8 mac[6]; int present; };
extern struct interface eth;
#define LOOPBACK 0x7F000001u

static inline u16 swap16(u32 v) { return (v << 8 & 0xFF00) | (v >> 8 & 0xFF); }
static inline u32 swap32(u32 v) { asm("bswap %0" : "+r"(v)); return v; }
#define get16(p) swap16(*(const u16 *)(p))
#define get32(p) swap32(*(const u32 *)(p))
#define put16(p, v) (*(u16 *)(p) = swap16(v))
#define put32(p, v) (*(u32 *)(p) = swap32(v))

/* --- checksum.c: one's complement sums (RFC 1071) of 16-bit words as they lie in memory, kept in 32 bits --- */
u32 sum_of(const void *p, u32 n, u32 sum);
u32 sum_and_copy(void *to, const void *from, u32 n, u32 sum);
static inline u16 sum_fold(u32 sum)
{
	sum = (sum & 0xFFFF) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

/* --- ip.c --- */
void ip_send(struct packet *p, u32 to, u32 protocol);   /* data is the transport header; takes the reference */
u32 ip_source(u32 to);                        /* the address we have towards `to` */
u32 ip_mtu(u32 to);
int net_settle(void);                         /* before interrupts go on: takes what is on the loopback; whether there was any */
void arp_retry(void);                         /* once a second */

/* --- tcp.c --- */
void tcp_input(struct packet *p, u32 from, u32 to);     /* data is the TCP header; takes the reference */

/* --- the port's card --- */
int nic_init(u8 *mac);                        /* 1 when there is one */
void nic_send(struct packet *p);              /* a whole frame; takes the reference */
void nic_flush(void);                         /* no more frames for now */
void net_receive(struct packet *p);           /* the card's: a whole frame; takes the reference; net_settle after the last */
#endif
