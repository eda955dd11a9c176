/* Xen's time; the console ring. */
#include "kernel.h"

/* --- time: what Xen wrote last, plus the cycles since --- */

static u64 system_time(void)
{
	const volatile struct vcpu_time *t = &shared_info.vcpu[0].time;
	u64 base, delta;
	u32 version, mul;
	int shift;
	do {
		version = t->version;
		barrier();
		base = t->system_time;
		delta = rdtsc() - t->tsc_timestamp;
		mul = t->tsc_to_system_mul;
		shift = t->tsc_shift;
		barrier();
	} while ((version & 1) || version != t->version);
	delta = shift < 0 ? delta >> -shift : delta << shift;
	return base + (((u64)(u32)delta * mul) >> 32) + (delta >> 32) * mul;
}

#define TICK (1000000000u / HZ)
static u64 next_tick;

static void set_timer(u64 at) { must_succeed(H2(HC_set_timer_op, (u32)at, (u32)(at >> 32)), "set_timer_op"); }

static void timer(void)
{
	/* Xen may tick by itself as well, or a little early: only the clock counts. */
	for (u64 now = system_time(); now >= next_tick; next_tick += TICK) tick();
	set_timer(next_tick);
}

void events_init(void)
{
	struct { u32 virq, vcpu, port; } op = { VIRQ_TIMER, 0, 0 };
	memset(shared_info.mask, 0xFF, sizeof shared_info.mask);
	must_succeed(H2(HC_event_channel_op, EVTCHNOP_bind_virq, &op), "bind_virq");
	event_bind(op.port, timer);
	H3(HC_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);   /* where it exists: one-shot timers are enough */
	next_tick = system_time() + TICK;
	set_timer(next_tick);
}

/* The entry code calls this where the bare port has sti. */
void events_on(void) { irq_enable(); }

void arch_idle(void) { H2(HC_sched_op, SCHEDOP_block, 0); }   /* clears the mask and blocks, in one step */

/* --- console --- */

static struct { char in[1024], out[2048]; volatile u32 in_cons, in_prod, out_cons, out_prod; } *ring;

void console_init(void)
{
	if (start_info->console_mfn && !(start_info->flags & SIF_INITDOMAIN))
		ring = va_of(machine_to_phys[start_info->console_mfn]);
}

int console_drained(void) { return !ring || ring->out_cons == ring->out_prod; }

void console_write(const char *s, u32 n)
{
	if (!ring) {                              /* too early, or the first domain: Xen's own console */
		H3(HC_console_io, 0, n, s);
		return;
	}
	irq_t flags = irq_save();
	u32 port = start_info->console_evtchn;
	while (n--) {
		while (ring->out_prod - ring->out_cons >= sizeof ring->out) {
			event_send(port);
			H2(HC_sched_op, SCHEDOP_yield, 0);
		}
		ring->out[ring->out_prod % sizeof ring->out] = *s++;
		memory_barrier();
		ring->out_prod++;
	}
	event_send(port);
	irq_restore(flags);
}
