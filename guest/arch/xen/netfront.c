#include "net.h"
int nic_init(u8 *mac) { return 0; }
void nic_send(struct packet *p) { packet_put(p); }
