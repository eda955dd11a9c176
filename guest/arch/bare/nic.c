/* Which card there is: Xen's ring, when this PC is a machine of Xen's that says so, or the RTL8139. */
#include "net.h"
#include "xen.h"
#include "nic.h"

static int ring;

u32 pci_read(u32 slot, u32 reg)
{
	outl(0xCF8, 0x80000000 | slot << 11 | reg);
	return inl(0xCFC);
}

int pci_find(u32 id)
{
	for (u32 slot = 0; slot < 32; slot++)
		if (pci_read(slot, 0) == id) return slot;
	return -1;
}

int nic_init(u8 *mac)
{
	if (xen_init()) ring = netfront_init(mac);
	return ring || rtl8139_init(mac);
}

void nic_send(struct packet *p)
{
	if (ring) netfront_send(p);
	else rtl8139_send(p);
}

void nic_flush(void) { if (ring) netfront_flush(); }   /* the RTL8139 was told of every frame by its descriptor */

void nic_interrupt(u32 number)
{
	rtl8139_interrupt(number);
	xen_interrupt(number);
}
