/* The only card of a domain is the ring. */
#include "net.h"

int nic_init(u8 *mac) { return netfront_init(mac); }
void nic_send(struct packet *p) { netfront_send(p); }
void nic_flush(void) { netfront_flush(); }
