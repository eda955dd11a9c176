/* The cards of the bare port, and PCI's configuration mechanism 1. */
u32 pci_read(u32 slot, u32 reg);
int pci_find(u32 id);                         /* the slot of the device with this vendor and device number, or -1 */
struct packet;
int rtl8139_init(u8 *mac);
void rtl8139_send(struct packet *p);
void rtl8139_interrupt(u32 number);
int xen_init(void);                           /* under Xen, with its interface set up: 1 */
void xen_interrupt(u32 number);
void nic_interrupt(u32 number);
