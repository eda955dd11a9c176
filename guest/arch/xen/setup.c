/* From the entry point to the shared kernel: memory, traps, descriptors. */
#include "kernel.h"

struct start_info *start_info;
extern u64 gdt[];
extern u8 trap_entries[], syscall_entry[], event_entry[], failsafe_entry[], boot_stack[], end[];

static u32 after(u32 a, u32 b) { return a > b ? a : b; }

/* The builder mapped the kernel and a little more; all other frames follow here. */
static u32 memory_init(u32 boot_esp)
{
	u32 frames = start_info->nr_pages, first = pfn_of(end + PAGE - 1);
	if (frames > 0x10000) frames = 0x10000;   /* 256 MB are plenty */
	if (frames < 2048) panic("not enough memory: %u KB", frames * 4);
	first = after(first, pfn_of(start_info->pt_base) + start_info->nr_pt_frames);
	first = after(first, pfn_of(boot_esp + PAGE - 1));
	first = after(first, pfn_of(start_info) + 1);
	first = after(first, pfn_of(start_info->mfn_list + start_info->nr_pages * 4 + PAGE - 1));
	if (!(start_info->flags & SIF_INITDOMAIN)) {
		first = after(first, machine_to_phys[start_info->store_mfn] + 1);
		first = after(first, machine_to_phys[start_info->console_mfn] + 1);
	}
	pte_t *root = (pte_t *)start_info->pt_base;
	kernel_mm = (struct mm){ .root = root, .live = 1 };
	for (u32 i = 0; i < 4; i++)
		if (root[i] & P_PRESENT) kernel_mm.l2[i] = va_of(pte_pfn(root[i]));
	for (u32 pfn = 0; pfn < frames;) {
		pte_t *l2 = &kernel_mm.l2[3][pfn / PTRS];
		u32 stop = (pfn / PTRS + 1) * PTRS;
		if (stop > frames) stop = frames;
		if (*l2 & P_PRESENT) {
			pte_t *l1 = va_of(pte_pfn(*l2));
			for (; pfn < stop; pfn++)
				if (!(l1[pfn % PTRS] & P_PRESENT)) set_pte(&kernel_mm, &l1[pfn % PTRS], mk_pte(pfn, P_PRESENT | P_WRITE));
		} else {
			pte_t *l1 = va_of(first);
			memset(l1, 0, PAGE);
			for (; pfn < stop; pfn++) l1[pfn % PTRS] = mk_pte(pfn, P_PRESENT | P_WRITE);
			pt_page_protect(first);
			set_l2(&kernel_mm, l2, mk_pte(first, P_PRESENT | P_WRITE | P_ACCESSED));
			first++;
		}
		pt_commit();
	}
	frames_init(first, frames);
	return frames;
}

static void traps_init(void)
{
	static struct trap_info table[22];
	u32 n = 0;
	for (u32 v = 0; v < 20; v++)
		if (v != 2 && v != 15) table[n++] = (struct trap_info){ v, 4 | (v == 3 ? 3 : 0), KERNEL_CS, (u32)trap_entries + 16 * v };
	table[n] = (struct trap_info){ 0x80, 3, KERNEL_CS, (u32)syscall_entry };   /* the zero entry after it ends the list */
	must_succeed(H1(HC_set_trap_table, table), "set_trap_table");
	must_succeed(H4(HC_set_callbacks, KERNEL_CS, event_entry, KERNEL_CS, failsafe_entry), "set_callbacks");
}

/* Programs' segments end where the kernel begins; the kernel's own are Xen's flat ones. */
static void gdt_init(void)
{
	u32 mfn = mfn_list[pfn_of(gdt)];
	u64 machine = ((u64)mfn << 12) + USER_DS / 8 * 8, data = 0x00CFF2000000FFFFull;
	gdt[USER_CS / 8] = 0x00CFFA000000FFFFull;
	remap_kernel_page(gdt, mfn, P_PRESENT | P_ACCESSED);   /* read-only from here on */
	must_succeed(H2(HC_set_gdt, &mfn, 8), "set_gdt");
	must_succeed(H4(HC_update_descriptor, machine, machine >> 32, data, data >> 32), "update_descriptor");
}

static void grants_init(void)
{
	u32 frames[2];
	struct setup_table s = { .dom = DOMID_SELF, .nr_frames = countof(frames), .frame_list = frames };
	must_succeed(H3(HC_grant_table_op, GNTTABOP_setup_table, &s, 1), "grant_table_op");
	must_succeed(s.status, "setup_table");
	for (u32 i = 0; i < countof(frames); i++)
		remap_kernel_page((u8 *)grant_table + i * PAGE, frames[i], P_PRESENT | P_WRITE | P_ACCESSED | P_DIRTY);
}

u32 arch_fault_address(void) { return shared_info.vcpu[0].cr2; }

/* Port accesses belong to Xen, which emulates them or refuses: two instructions below live with either. */
extern u8 port_in[], port_out[];
int arch_fixup(struct regs *r)
{
	if (r->trap != 13 || (r->eip != (u32)port_in && r->eip != (u32)port_out)) return 0;
	if (r->eip == (u32)port_in) r->eax |= 0xFF;
	r->eip += 2;
	return 1;
}

/* One copy of the instruction, so that it has one address. */
static u32 __attribute__((noinline, noclone)) read_port(void)
{
	u32 value;
	asm volatile(".globl port_in\nport_in: inb $0x80, %%al" : "=a"(value));
	return value;
}

int arch_portin(u32 n)
{
	for (u32 i = 0; i < n; i++) read_port();
	return n;
}

void arch_poweroff(u32 code)
{
	u32 reason = code ? SHUTDOWN_crash : SHUTDOWN_poweroff;
	irq_disable();
	for (u32 i = 0; i < 1000 && !console_drained(); i++) H2(HC_sched_op, SCHEDOP_yield, 0);
	if (code) asm volatile(".globl port_out\nport_out: outl %%eax, $0xF4" : : "a"(code));
	for (;;) H2(HC_sched_op, SCHEDOP_shutdown, &reason);
}

void failsafe(void) { panic("failsafe callback"); }

void xen_main(struct start_info *si, u32 boot_esp)
{
	u32 iopl = 1;
	start_info = si;
	mfn_list = (u32 *)si->mfn_list;
	remap_kernel_page(&shared_info, si->shared_info >> 12, P_PRESENT | P_WRITE | P_ACCESSED | P_DIRTY);
	irq_disable();
	console_init();
	traps_init();
	memory_init(boot_esp);
	gdt_init();
	must_succeed(H2(HC_stack_switch, KERNEL_DS, boot_stack + PAGE), "stack_switch");
	H2(HC_physdev_op, PHYSDEVOP_set_iopl, &iopl);   /* so that IN in ring 1 reaches Xen's emulation; refused, arch_fixup does */
	grants_init();
	events_init();
	if (si->store_mfn && !(si->flags & SIF_INITDOMAIN)) store_init(va_of(machine_to_phys[si->store_mfn]), si->store_evtchn);
	current->kstack = boot_stack;
	si->cmd_line[sizeof si->cmd_line - 1] = 0;
	kernel_main(si->cmd_line);
}
