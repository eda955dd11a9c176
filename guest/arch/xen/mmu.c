/* Direct page tables: the processor walks ours, so Xen checks every change. Changes are collected, in order, as
 * entries of one multicall; consecutive page-table writes share one mmu_update. */
#include "kernel.h"

static struct multicall_entry calls[96];
static u8 operations[96];                     /* kept apart: Xen may spoil its entries, all but the results */
static struct mmu_update updates[384];
static struct mmuext_op exts[32];
static u32 n_calls, n_updates, n_exts;
u32 *mfn_list;

void pt_commit(void)
{
	static const char *const names[32] = { [HC_mmu_update] = "mmu_update", [HC_stack_switch] = "stack_switch",
		[HC_update_va_mapping] = "update_va_mapping", [HC_mmuext_op] = "mmuext_op" };
	u32 n = n_calls;
	struct multicall_entry *c = calls;
	n_calls = n_updates = n_exts = 0;         /* first: a panic below may not come back here */
	if (n == 1) {
		must_succeed(hypercall(c->op, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4]), names[c->op]);
	} else if (n) {
		must_succeed(H2(HC_multicall, calls, n), "multicall");
		for (u32 i = 0; i < n; i++) must_succeed(calls[i].result, names[operations[i]]);
	}
}

static void call(u32 op, u32 a, u32 b, u32 c, u32 d)
{
	if (n_calls == countof(calls)) pt_commit();
	operations[n_calls] = op;
	calls[n_calls++] = (struct multicall_entry){ op, 0, { a, b, c, d } };
}

static void ext(u32 cmd, u32 arg)
{
	if (n_exts == countof(exts) || n_calls == countof(calls)) pt_commit();
	exts[n_exts] = (struct mmuext_op){ cmd, arg };
	call(HC_mmuext_op, (u32)&exts[n_exts], 1, 0, DOMID_SELF);
	n_exts++;
}

void set_pte(struct mm *mm, pte_t *at, pte_t e)
{
	if (!mm->live) { *at = e; return; }       /* an ordinary page so far */
	if (n_updates == countof(updates)) pt_commit();
	struct multicall_entry *last = n_calls ? &calls[n_calls - 1] : NULL;
	if (last && operations[n_calls - 1] == HC_mmu_update) last->args[1]++;
	else {
		if (n_calls == countof(calls)) pt_commit();
		call(HC_mmu_update, (u32)&updates[n_updates], 1, 0, DOMID_SELF);
	}
	updates[n_updates++] = (struct mmu_update){ (u64)mfn_list[pfn_of(at)] << 12 | ((u32)at & (PAGE - 1)), e };
}

void tlb_flush(void)
{
	ext(MMUEXT_TLB_FLUSH_LOCAL, 0);
	pt_commit();
}

static void va_mapping(u32 va, pte_t e, u32 flush) { call(HC_update_va_mapping, va, (u32)e, (u32)(e >> 32), flush); }

void map_page(u32 va, pte_t *at, pte_t e, int was)
{
	va_mapping(va, e, was ? UVMF_INVLPG : UVMF_NONE);
	pt_commit();
}

void remap_kernel_page(void *va, u32 mfn, u32 flags)
{
	va_mapping((u32)va, (pte_t)mfn << 12 | flags, UVMF_INVLPG);
	pt_commit();
}

/* Nothing may be able to write a page-table page: Xen insists. */
static void protect(u32 pfn, u32 flush) { va_mapping((u32)va_of(pfn), mk_pte(pfn, P_PRESENT | P_ACCESSED), flush); }
void pt_page_protect(u32 pfn) { protect(pfn, UVMF_INVLPG); }
static void protect_later_flushed(u32 pfn) { protect(pfn, UVMF_NONE); }

static void unprotect(u32 pfn)
{
	va_mapping((u32)va_of(pfn), mk_pte(pfn, P_PRESENT | P_WRITE | P_ACCESSED | P_DIRTY), UVMF_NONE);
}

/* Pinned: validated once, as a whole, and kept so while it is not loaded. Xen sees to it that no stale writable
 * translation survives the change of type; the caller flushes for its own sake, once for all of it. */
void mm_activate(struct mm *mm)
{
	mm_each_table(mm, protect_later_flushed);
	ext(MMUEXT_PIN_L3_TABLE, mfn_list[pfn_of(mm->root)]);
	mm->live = 1;
}

/* A table that is loaded stays one. The flush is ours to ask for: a stale read-only translation would fault when the
 * frame is next written. */
void mm_retire(struct mm *mm)
{
	if (mm == loaded_mm) {
		loaded_mm = &kernel_mm;
		ext(MMUEXT_NEW_BASEPTR, mfn_list[pfn_of(kernel_mm.root)]);
	}
	ext(MMUEXT_UNPIN_TABLE, mfn_list[pfn_of(mm->root)]);
	mm_each_table(mm, unprotect);
	tlb_flush();
}

void arch_load(struct mm *mm)
{
	loaded_mm = mm;
	ext(MMUEXT_NEW_BASEPTR, mfn_list[pfn_of(mm->root)]);
	pt_commit();
}

void arch_switch(struct proc *next, struct mm *mm)
{
	call(HC_stack_switch, KERNEL_DS, (u32)next->kstack + PAGE, 0, 0);
	if (mm) arch_load(mm);
	else pt_commit();
}
