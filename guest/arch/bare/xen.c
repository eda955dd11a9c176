/* Xen under an unmodified processor: found by CPUID, called through a page that an MSR asks for, with shared pages put where we say
 * and events as an interrupt of the platform device (public/arch-x86/cpuid.h, public/hvm/params.h, public/memory.h). */
#include "kernel.h"
#include "xen.h"
#include "nic.h"

u8 hypercall_page[PAGE] __attribute__((aligned(PAGE)));
struct shared_info shared_info __attribute__((aligned(PAGE)));
struct grant_entry grant_table[2 * PAGE / sizeof(struct grant_entry)] __attribute__((aligned(PAGE)));
static u8 store_page[PAGE] __attribute__((aligned(PAGE)));   /* only the address is used: Xen's frame gets mapped here */
static u32 line;

static void cpuid(u32 leaf, u32 *r)
{
	asm volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "0"(leaf), "2"(0));
}

static void place(u32 space, u32 index, void *va)
{
	struct { u16 domid; u32 space, index, gpfn; } op = { DOMID_SELF, space, index, pfn_of(va) };
	must_succeed(H2(HC_memory_op, XENMEM_add_to_physmap, &op), "add_to_physmap");
}

static u64 parameter(u32 call, u32 index, u64 value)
{
	struct { u16 domid; u32 index; u64 value; } op = { DOMID_SELF, index, value };
	must_succeed(H2(HC_hvm_op, call, &op), "hvm_op");
	return op.value;
}

int xen_init(void)
{
	u32 r[4];
	cpuid(0x40000000, r);
	if (r[1] != 0x566E6558 || r[2] != 0x65584D4D || r[3] != 0x4D4D566E) return 0;   /* XenVMMXenVMM */
	int slot = pci_find(0x00015853);
	if (slot < 0) return 0;
	cpuid(0x40000002, r);
	asm volatile("wrmsr" : : "c"(r[1]), "a"((u32)hypercall_page - KERNEL_BASE), "d"(0));
	place(XENMAPSPACE_shared_info, 0, &shared_info);
	memset(shared_info.mask, 0xFF, sizeof shared_info.mask);
	for (u32 i = 0; i < sizeof grant_table / PAGE; i++) place(XENMAPSPACE_grant_table, i, (u8 *)grant_table + i * PAGE);
	line = pci_read(slot, 0x3C) & 15;
	parameter(HVMOP_set_param, HVM_PARAM_CALLBACK_IRQ, 1ull << 56 | slot << 11);   /* a PCI pin: device and function, INTA# */
	irq_unmask(line);
	map_page((u32)store_page, pt_lookup(&kernel_mm, (u32)store_page), mk_pte((u32)parameter(HVMOP_get_param, HVM_PARAM_STORE_PFN, 0), P_PRESENT | P_WRITE), 1);
	store_init(store_page, parameter(HVMOP_get_param, HVM_PARAM_STORE_EVTCHN, 0));
	return 1;
}

/* The line follows the pending flag, which event_upcall clears. */
void xen_interrupt(u32 number)
{
	if (line && number == line && upcall_pending) event_upcall(NULL);
}
