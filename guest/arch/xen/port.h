/* The Xen port: what shared code needs inline. The interrupt flag is the event mask in shared memory; page-table
 * entries hold machine frames and are written by the hypervisor, in batches. */
#ifndef PORT_H
#define PORT_H
#include "xen.h"
#define PAE
typedef u64 pte_t;
typedef u8 irq_t;
#define KERNEL_CS FLAT_RING1_CS
#define KERNEL_DS FLAT_RING1_DS
#define USER_CS 0x23                          /* entries 4 and 5 of our own descriptor table */
#define USER_DS 0x2B
#define KERNEL_L2_ENTRIES ((HYPERVISOR_START - 0xC0000000) >> 21)

#define barrier() asm volatile("" : : : "memory")
static inline void irq_disable(void) { upcall_mask = 1; barrier(); }
static inline irq_t irq_save(void) { irq_t f = upcall_mask; irq_disable(); return f; }
static inline void irq_restore(irq_t f)
{
	barrier();
	upcall_mask = f;
	barrier();
	/* What came while the mask was set is delivered on the way back from any hypercall. */
	if (!f && upcall_pending) H2(HC_xen_version, 0, 0);
}
static inline void irq_enable(void) { irq_restore(0); }

extern u32 *mfn_list;
#define machine_frame(pfn) mfn_list[pfn]
#define machine_to_phys ((const u32 *)HYPERVISOR_START)
#define mk_pte(pfn, flags) ((pte_t)mfn_list[pfn] << 12 | (flags))
#define pte_pfn(e) (machine_to_phys[(u32)((e) >> 12)])

struct mm;
void set_pte(struct mm *mm, pte_t *at, pte_t e);
#define set_l2 set_pte
void pt_commit(void);
void tlb_flush(void);
void map_page(u32 va, pte_t *at, pte_t e, int was);
void pt_page_protect(u32 pfn);
void mm_activate(struct mm *mm);
void mm_retire(struct mm *mm);
#endif
