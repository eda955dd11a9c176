/* Xen's public x86_32 interface: numbers and layouts, as far as this guest uses them. */
#ifndef XEN_H
#define XEN_H
#define FLAT_RING1_CS 0xE019
#define FLAT_RING1_DS 0xE021
#define HYPERVISOR_START 0xF5800000           /* with PAE; the machine-to-physical table is the first thing there */

#define HC_set_trap_table 0
#define HC_mmu_update 1
#define HC_set_gdt 2
#define HC_stack_switch 3
#define HC_set_callbacks 4
#define HC_update_descriptor 10
#define HC_multicall 13
#define HC_memory_op 12
#define HC_update_va_mapping 14
#define HC_set_timer_op 15
#define HC_xen_version 17
#define HC_console_io 18
#define HC_grant_table_op 20
#define HC_iret 23
#define HC_vcpu_op 24
#define HC_mmuext_op 26
#define HC_sched_op 29
#define HC_event_channel_op 32
#define HC_physdev_op 33
#define HC_hvm_op 34

#ifndef __ASSEMBLER__
#include "../../lib/base.h"
#define DOMID_SELF 0x7FF0
enum { MMUEXT_PIN_L3_TABLE = 2, MMUEXT_UNPIN_TABLE = 4, MMUEXT_NEW_BASEPTR = 5, MMUEXT_TLB_FLUSH_LOCAL = 6 };
enum { UVMF_NONE = 0, UVMF_TLB_FLUSH = 1, UVMF_INVLPG = 2 };
enum { SCHEDOP_yield, SCHEDOP_block, SCHEDOP_shutdown };
enum { SHUTDOWN_poweroff = 0, SHUTDOWN_crash = 3 };
enum { EVTCHNOP_bind_virq = 1, EVTCHNOP_send = 4, EVTCHNOP_alloc_unbound = 6, EVTCHNOP_unmask = 9 };
enum { VIRQ_TIMER = 0 };
enum { VCPUOP_stop_periodic_timer = 7 };
enum { PHYSDEVOP_set_iopl = 6 };
enum { GNTTABOP_setup_table = 2 };
enum { GTF_permit_access = 1, GTF_readonly = 4, GTF_reading = 8, GTF_writing = 16 };
enum { SIF_INITDOMAIN = 2 };
enum { XENMEM_add_to_physmap = 7, XENMAPSPACE_shared_info = 0, XENMAPSPACE_grant_table = 1 };
enum { HVMOP_set_param = 0, HVMOP_get_param = 1, HVM_PARAM_CALLBACK_IRQ = 0, HVM_PARAM_STORE_PFN = 1, HVM_PARAM_STORE_EVTCHN = 2 };

struct start_info {
	char magic[32];
	u32 nr_pages, shared_info, flags, store_mfn, store_evtchn, console_mfn, console_evtchn;
	u32 pt_base, nr_pt_frames, mfn_list, mod_start, mod_len;
	char cmd_line[1024];
};
struct vcpu_time { u32 version, pad; u64 tsc_timestamp, system_time; u32 tsc_to_system_mul; signed char tsc_shift; u8 flags, pad1[2]; };
struct vcpu_info { u8 upcall_pending, upcall_mask; u16 pad; u32 pending_sel, cr2, pad1[5]; struct vcpu_time time; };
struct shared_info { struct vcpu_info vcpu[32]; u32 pending[32], mask[32]; };
struct trap_info { u8 vector, flags; u16 cs; u32 address; };   /* flags: privilege, and 4: events masked on entry */
struct mmu_update { u64 ptr, val; };
struct mmuext_op { u32 cmd, arg1, arg2; };
struct multicall_entry { u32 op; int result; u32 args[6]; };
struct grant_entry { volatile u16 flags; u16 domid; u32 frame; };
struct setup_table { u16 dom; u32 nr_frames; short status; u32 *frame_list; };

_Static_assert(sizeof(struct vcpu_info) == 64 && __builtin_offsetof(struct shared_info, pending) == 2048
	&& __builtin_offsetof(struct start_info, cmd_line) == 80, "Xen's layouts");

/* Arguments in ebx, ecx, edx, esi, edi, which come back clobbered; the result in eax. */
static inline int hypercall(u32 nr, u32 a, u32 b, u32 c, u32 d, u32 e)
{
	extern u8 hypercall_page[];
	int result = (u32)hypercall_page + nr * 32;
	asm volatile("call *%%eax" : "+a"(result), "+b"(a), "+c"(b), "+d"(c), "+S"(d), "+D"(e) : : "memory", "cc");
	return result;
}
#define H1(nr, a) hypercall(nr, (u32)(a), 0, 0, 0, 0)
#define H2(nr, a, b) hypercall(nr, (u32)(a), (u32)(b), 0, 0, 0)
#define H3(nr, a, b, c) hypercall(nr, (u32)(a), (u32)(b), (u32)(c), 0, 0)
#define H4(nr, a, b, c, d) hypercall(nr, (u32)(a), (u32)(b), (u32)(c), (u32)(d), 0)

static inline void memory_barrier(void) { asm volatile("lock; addl $0, (%%esp)" : : : "memory", "cc"); }

#define upcall_mask (*(volatile u8 *)&shared_info.vcpu[0].upcall_mask)
#define upcall_pending (*(volatile u8 *)&shared_info.vcpu[0].upcall_pending)

/* Between the files of this folder and of the ports. */
extern struct start_info *start_info;
extern struct shared_info shared_info;
extern struct grant_entry grant_table[];
struct regs;
void event_upcall(struct regs *r);
void must_succeed(int result, const char *what);
void remap_kernel_page(void *va, u32 mfn, u32 flags);
void event_bind(u32 port, void (*handler)(void));
void event_send(u32 port);
u32 event_alloc(u32 remote_domain);
void grant(u32 ref, u32 domain, u32 pfn, int readonly);
void grant_end(u32 ref);
struct packet;
int netfront_init(u8 *mac);
void netfront_send(struct packet *p);
void netfront_flush(void);
void console_init(void);
int console_drained(void);
void events_init(void);
void store_init(void *page, u32 event_channel);
int store_read(const char *path, char *value, u32 size);
int store_list(const char *path, char *names, u32 size);
int store_write(const char *path, const char *value);
int store_watch(const char *path);
void store_wait(void);
enum { STATE_INITIALISED = 3, STATE_CONNECTED = 4, STATE_CLOSING = 5 };   /* of a device: xenbus's */
u32 store_number(const char *dir, const char *key);   /* 0 when it is not there */
int store_set(const char *dir, const char *key, u32 v);
int store_await(const char *dir, u32 state);
#endif
#endif
