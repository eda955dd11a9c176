/* Frames and page tables. Every entry is written through the port's set_pte and set_l2, so that
 * a port may queue them; pt_commit and tlb_flush end a batch. */
#include "kernel.h"

static u32 *next_free;                        /* per frame: the next free one */
static u32 *refs;                             /* the page of zeros can be mapped any number of times */
static u32 free_head, free_count;
struct mm kernel_mm, *loaded_mm = &kernel_mm;

void frames_init(u32 first, u32 end)
{
	u32 tables = (end * (sizeof *next_free + sizeof *refs) + PAGE - 1) / PAGE;
	if (first + tables + 64 > end) panic("not enough memory: %u KB", end * 4);
	next_free = va_of(first);
	refs = next_free + end;
	memset(refs, 0, end * sizeof *refs);
	for (u32 pfn = 0; pfn < first + tables; pfn++) refs[pfn] = 1;   /* the kernel's, for good; programs map some of them */
	for (u32 pfn = end; pfn-- > first + tables; free_count++) {
		next_free[pfn] = free_head;
		free_head = pfn;
	}
}

u32 frame_alloc(void)
{
	irq_t flags = irq_save();
	u32 pfn = free_head;
	if (pfn) {
		free_head = next_free[pfn];
		free_count--;
		refs[pfn] = 1;
	}
	irq_restore(flags);
	return pfn;
}

u32 frame_alloc_zero(void)
{
	u32 pfn = frame_alloc();
	if (pfn) memset(va_of(pfn), 0, PAGE);
	return pfn;
}

void frame_drop(u32 pfn)
{
	irq_t flags = irq_save();
	assert(refs[pfn]);
	if (!--refs[pfn]) {
		next_free[pfn] = free_head;
		free_head = pfn;
		free_count++;
	}
	irq_restore(flags);
}

void frame_hold(u32 pfn) { refs[pfn]++; }
u32 frame_refs(u32 pfn) { return refs[pfn]; }
u32 frames_free(void) { return free_count; }

void *page_alloc(void)
{
	u32 pfn = frame_alloc_zero();
	if (!pfn) panic("out of memory in the kernel");
	return va_of(pfn);
}

static pte_t *l2_entry(struct mm *mm, u32 va)
{
#ifdef PAE
	return &mm->l2[va >> 30][(va >> L2_SHIFT) & (PTRS - 1)];
#else
	return &mm->root[va >> L2_SHIFT];
#endif
}

pte_t *pt_lookup(struct mm *mm, u32 va)
{
	pte_t *e = l2_entry(mm, va);
	if (!(*e & P_PRESENT)) return NULL;
	return (pte_t *)va_of(pte_pfn(*e)) + ((va >> 12) & (PTRS - 1));
}

pte_t *pt_make(struct mm *mm, u32 va)
{
	pte_t *e = l2_entry(mm, va);
	if (!(*e & P_PRESENT)) {
		u32 pfn = frame_alloc_zero();
		if (!pfn) return NULL;
		if (mm->live) pt_page_protect(pfn);
		set_l2(mm, e, mk_pte(pfn, P_PRESENT | P_WRITE | P_USER | P_ACCESSED));
		if (mm->live) pt_commit();
		mm->tables[(va >> L2_SHIFT) / 32] |= 1u << (va >> L2_SHIFT) % 32;
	}
	return (pte_t *)va_of(pte_pfn(*e)) + ((va >> 12) & (PTRS - 1));
}

/* A new address space: the kernel's half copied, the user half empty. */
struct mm *mm_new(void)
{
	static struct mm pool[NPROC + 2];
	struct mm *mm = pool;
	while (mm->root)
		if (++mm == pool + countof(pool)) return NULL;
	if (frames_free() < 8) return NULL;
	memset(mm, 0, sizeof *mm);
	mm->root = page_alloc();
#ifdef PAE
	for (u32 i = 0; i < 4; i++) {
		mm->l2[i] = page_alloc();
		mm->root[i] = mk_pte(pfn_of(mm->l2[i]), P_PRESENT);   /* an L3 entry has no other permissions */
	}
	memcpy(mm->l2[3], kernel_mm.l2[3], KERNEL_L2_ENTRIES * sizeof(pte_t));
#else
	mm->l2[0] = mm->root;
	memcpy(mm->root + 768, kernel_mm.root + 768, 256 * sizeof(pte_t));
#endif
	return mm;
}

void mm_each_table(struct mm *mm, void (*f)(u32 pfn))
{
	for (u32 w = 0; w < countof(mm->tables); w++)
		for (u32 bits = mm->tables[w]; bits; bits &= bits - 1)
			f(pte_pfn(*l2_entry(mm, (w * 32 + __builtin_ctz(bits)) << L2_SHIFT)));
	for (u32 i = 0; i < L2_PAGES; i++) f(pfn_of(mm->l2[i]));
#ifdef PAE
	f(pfn_of(mm->root));
#endif
}

/* Calls back for every run of L1 entries that a region covers; there is nothing outside of regions. */
static int each_run(struct mm *mm, int (*f)(struct mm *, u32 va, pte_t *e, u32 n, void *arg), void *arg)
{
	for (struct vma *v = mm->vma; v < mm->vma + mm->count; v++)
		for (u32 va = v->start, stop; va < v->end; va = stop) {
			stop = (va | ((1u << L2_SHIFT) - 1)) + 1;
			if (stop > v->end) stop = v->end;
			pte_t *e = pt_lookup(mm, va);
			int err = e ? f(mm, va, e, (stop - va) / PAGE, arg) : 0;
			if (err) return err;
		}
	return 0;
}

static int zap_run(struct mm *mm, u32 va, pte_t *e, u32 n, void *arg)
{
	for (; n--; e++) {
		if (!(*e & P_PRESENT)) continue;
		u32 pfn = pte_pfn(*e);
		set_pte(mm, e, 0);
		frame_drop(pfn);
	}
	return 0;
}

/* As a dying process leaves it: every entry cleared, the tables freed. Nobody looks through them any more. */
void mm_empty(struct mm *mm)
{
	if (mm->live) mm_retire(mm);
	mm->live = 0;
	each_run(mm, zap_run, NULL);
	for (struct vma *v = mm->vma; v < mm->vma + mm->count; v++)
		if (v->inode) inode_put(v->inode);
	mm->count = 0;
	for (u32 w = 0; w < countof(mm->tables); w++)
		for (u32 bits = mm->tables[w]; bits; bits &= bits - 1) {
			pte_t *e = l2_entry(mm, (w * 32 + __builtin_ctz(bits)) << L2_SHIFT);
			u32 pfn = pte_pfn(*e);
			set_l2(mm, e, 0);
			frame_drop(pfn);
		}
	memset(mm->tables, 0, sizeof mm->tables);
	if (mm == loaded_mm) tlb_flush();
}

void mm_free(struct mm *mm)
{
	assert(mm != loaded_mm);
	mm_empty(mm);
	mm_each_table(mm, frame_drop);
	mm->root = NULL;
}

static int fork_run(struct mm *parent, u32 va, pte_t *from, u32 n, void *arg)
{
	struct mm *child = arg;
	pte_t *to = pt_make(child, va);
	if (!to) return -ENOMEM;
	for (; n--; from++, to++) {
		pte_t e = *from;
		if (!(e & P_PRESENT)) continue;
		if (e & P_WRITE) {                    /* every mapping is private: write-protect both sides */
			e &= ~(pte_t)P_WRITE;
			set_pte(parent, from, e);
		}
		frame_hold(pte_pfn(e));
		*to = e;                              /* the child is not live yet: no queue */
	}
	return 0;
}

int mm_fork(struct mm *child, struct mm *parent)
{
	child->count = parent->count;
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	memcpy(child->vma, parent->vma, parent->count * sizeof(struct vma));
	for (struct vma *v = child->vma; v < child->vma + child->count; v++)
		if (v->inode) inode_hold(v->inode);
	int err = each_run(parent, fork_run, child);
	if (!err) mm_activate(child);
	tlb_flush();
	return err;
}
