/* The RTL8139 (datasheet, chapter 5): four transmit buffers, one receive ring, found by PCI's configuration mechanism 1. */
#include "net.h"
#include "nic.h"

enum { TSD = 0x10, TSAD = 0x20, RBSTART = 0x30, CR = 0x37, CAPR = 0x38, IMR = 0x3C, ISR = 0x3E, TSAD_SUMMARY = 0x60, RCR = 0x44, CONFIG1 = 0x52 };
enum { CR_RESET = 0x10, CR_RX = 0x08, CR_TX = 0x04, CR_EMPTY = 0x01 };
enum { ROK = 0x01, RER = 0x02, TOK = 0x04, TER = 0x08, RX_OVERFLOW = 0x10, FIFO_OVERFLOW = 0x40 };
enum { RCR_MINE = 0x02, RCR_BROADCAST = 0x08, RCR_NO_WRAP = 0x80, RCR_32K = 2 << 11, RCR_UNLIMITED_BURST = 7 << 8 };
#define RING 32768u
#define SENDERS 4u
#define QUEUE_MAX 512

static u8 ring[RING + 16 + 2048] __attribute__((aligned(16)));   /* a frame at the end is not wrapped: RCR_NO_WRAP */
static u8 buffers[SENDERS][1536] __attribute__((aligned(4)));
static u32 base, irq, ring_at, next_free, oldest;   /* next_free and oldest count on; the buffer is their remainder */
static struct packets queue;
static u32 queued;

int rtl8139_init(u8 *mac)
{
	int slot = pci_find(0x813910EC);
	if (slot < 0) return 0;
	base = pci_read(slot, 0x10) & ~3u;
	irq = pci_read(slot, 0x3C) & 15;
	outl(0xCF8, 0x80000000 | slot << 11 | 4);
	outl(0xCFC, 7);                           /* ports, memory, bus master */
	outb(base + CONFIG1, 0);
	outb(base + CR, CR_RESET);
	for (u32 i = 0; i < 1000 && (inb(base + CR) & CR_RESET); i++) {}
	for (u32 i = 0; i < 6; i++) mac[i] = inb(base + i);
	for (u32 i = 0; i < SENDERS; i++) outl(base + TSAD + 4 * i, (u32)buffers[i] - KERNEL_BASE);
	outl(base + RBSTART, (u32)ring - KERNEL_BASE);
	outb(base + CR, CR_RX | CR_TX);
	outl(base + RCR, RCR_UNLIMITED_BURST | RCR_32K | RCR_NO_WRAP | RCR_BROADCAST | RCR_MINE);
	outw(base + IMR, ROK | RER | TOK | TER | RX_OVERFLOW | FIFO_OVERFLOW);
	irq_unmask(irq);
	return 1;
}

/* Buffers that are free take what waits; a buffer's descriptor goes to the card with the length. */
static void start(void)
{
	struct packet *p;
	while (next_free - oldest < SENDERS && (p = card_take(&queue))) {
		u32 n = next_free++ % SENDERS, len = p->len;
		queued--;
		memcpy(buffers[n], p->data, len);
		if (len < 60) { memset(buffers[n] + len, 0, 60 - len); len = 60; }
		packet_put(p);
		outl(base + TSD + 4 * n, len);
	}
}

void rtl8139_send(struct packet *p)
{
	if (queued >= QUEUE_MAX) { packet_put(p); return; }
	card_add(&queue, p);
	queued++;
	start();
}

/* The summary register has the four OWN bits in one read. */
static void sent(void)
{
	u32 own = inw(base + TSAD_SUMMARY);
	while (oldest != next_free && (own >> oldest % SENDERS & 1)) oldest++;
	start();
}

/* Each frame in the ring: status and length, two bytes each, the frame, its CRC, on a border of four bytes. */
static void receive(void)
{
	while (!(inb(base + CR) & CR_EMPTY)) {
		u32 head = *(volatile u32 *)(ring + ring_at), len = (head >> 16) - 4;
		if (!(head & ROK) || len > MTU_MAX + ETH_BYTES) {   /* lost our place: start the receiver again */
			outb(base + CR, CR_TX);
			outb(base + CR, CR_RX | CR_TX);
			ring_at = 0;
			outw(base + CAPR, 0xFFF0);
			return;
		}
		struct packet *p = packet_alloc();
		if (p) {
			p->data = p->page + 2;            /* so that what follows the Ethernet header is aligned */
			p->len = len;
			memcpy(p->data, ring + ring_at + 4, len);
		}
		ring_at = (ring_at + len + 4 + 4 + 3) % RING & ~3u;
		outw(base + CAPR, ring_at - 16);
		if (p) net_receive(p);
	}
}

void rtl8139_interrupt(u32 number)
{
	if (!base || number != irq) return;
	u32 status = inw(base + ISR);
	outw(base + ISR, status);
	if (status & (TOK | TER)) sent();
	if (status & (ROK | RER | RX_OVERFLOW | FIFO_OVERFLOW)) receive();
	net_settle();
}
