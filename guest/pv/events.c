/* Event channels and grants: what every front end stands on, in a domain of its own kind or in one with an unmodified processor. */
#include "kernel.h"
#include "xen.h"

void must_succeed(int result, const char *what)
{
	if (result < 0) panic("Xen refuses %s: error %d", what, -result);
}

static void (*handlers[1024])(void);

/* With the mask set: from the event entry, or from the way out when something came in meanwhile. */
void event_upcall(struct regs *r)
{
	do {
		u32 groups = 0;
		upcall_pending = 0;
		asm volatile("xchg %0, %1" : "+r"(groups), "+m"(shared_info.vcpu[0].pending_sel) : : "memory");
		for (; groups; groups &= groups - 1) {
			u32 g = __builtin_ctz(groups), bits;
			volatile u32 *pending = &shared_info.pending[g];
			while ((bits = *pending & ~shared_info.mask[g])) {
				u32 bit = __builtin_ctz(bits);
				asm volatile("lock; btrl %1, %0" : "+m"(*pending) : "Ir"(bit) : "memory", "cc");
				if (handlers[g * 32 + bit]) handlers[g * 32 + bit]();
			}
		}
	} while (upcall_pending);
}

void event_bind(u32 port, void (*handler)(void))
{
	if (port >= countof(handlers)) panic("event channel %u", port);
	handlers[port] = handler;
	must_succeed(H2(HC_event_channel_op, EVTCHNOP_unmask, &port), "unmask");
}

void event_send(u32 port) { must_succeed(H2(HC_event_channel_op, EVTCHNOP_send, &port), "send"); }

u32 event_alloc(u32 remote_domain)
{
	struct { u16 dom, remote; u32 port; } op = { DOMID_SELF, remote_domain, 0 };
	must_succeed(H2(HC_event_channel_op, EVTCHNOP_alloc_unbound, &op), "alloc_unbound");
	return op.port;
}

/* --- grants --- */

void grant(u32 ref, u32 domain, u32 pfn, int readonly)
{
	grant_table[ref].domid = domain;
	grant_table[ref].frame = machine_frame(pfn);
	memory_barrier();                         /* the flags make it valid, so they come last */
	grant_table[ref].flags = GTF_permit_access | (readonly ? GTF_readonly : 0);
}

void grant_end(u32 ref)
{
	if (grant_table[ref].flags & (GTF_reading | GTF_writing)) panic("grant %u is still mapped by the other side", ref);
	grant_table[ref].flags = 0;
	memory_barrier();
}
