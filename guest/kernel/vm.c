/* Regions of an address space, demand fill and copy on write. */
#include "kernel.h"

struct vma *vm_find(struct mm *mm, u32 va)
{
	struct vma *v = &mm->vma[mm->last];
	if (mm->last < mm->count && va >= v->start && va < v->end) return v;
	u32 low = 0, high = mm->count;
	while (low < high) {
		u32 middle = (low + high) / 2;
		v = &mm->vma[middle];
		if (va < v->start) high = middle;
		else if (va >= v->end) low = middle + 1;
		else { mm->last = middle; return v; }
	}
	return NULL;
}

/* The first region that ends above va: where one at va would go. */
static u32 position(struct mm *mm, u32 va)
{
	u32 at = 0;
	while (at < mm->count && mm->vma[at].end <= va) at++;
	return at;
}

int vm_map(struct mm *mm, const struct vma *v)
{
	if (v->start >= v->end || v->end > USER_TOP || mm->count == VMAS) return -ENOMEM;
	u32 at = position(mm, v->start);
	if (at < mm->count && mm->vma[at].start < v->end) return -EINVAL;
	for (u32 i = mm->count++; i > at; i--) mm->vma[i] = mm->vma[i - 1];
	mm->vma[at] = *v;
	if (v->inode) inode_hold(v->inode);
	return 0;
}

/* The lowest hole of len bytes above MMAP_BASE; 0 when there is none. */
u32 vm_hole(struct mm *mm, u32 len)
{
	u32 at = MMAP_BASE;
	for (u32 i = position(mm, at); i < mm->count && mm->vma[i].start < at + len; i++) at = mm->vma[i].end;
	return at + len > at && at + len <= USER_TOP - STACK_PAGES * PAGE ? at : 0;
}

int vm_brk(struct mm *mm, u32 end)
{
	u32 old = (mm->brk + PAGE - 1) & ~(PAGE - 1), new = (end + PAGE - 1) & ~(PAGE - 1);
	if (end < mm->brk_start || end > MMAP_BASE) return mm->brk;
	struct vma *heap = old > mm->brk_start ? vm_find(mm, old - 1) : NULL;
	if (new < old && vm_unmap(mm, new, old)) return mm->brk;
	if (new > old && heap && heap->end == old) {
		u32 next = position(mm, old);
		if (next < mm->count && mm->vma[next].start < new) return mm->brk;
		heap->end = new;
	} else if (new > old && vm_map(mm, &(struct vma){ .start = old, .end = new, .prot = PROT_READ | PROT_WRITE })) {
		return mm->brk;
	}
	return mm->brk = end;
}

/* Makes va a region boundary. */
static int split(struct mm *mm, u32 va)
{
	struct vma *v = vm_find(mm, va);
	if (!v || v->start == va) return 0;
	struct vma upper = *v;
	upper.offset += va - v->start;
	upper.start = va;
	if (mm->count == VMAS) return -ENOMEM;
	v->end = va;
	return vm_map(mm, &upper);
}

static u32 gone[512];                         /* frames unmapped but perhaps still in the TLB */

static void flush_gone(struct mm *mm, u32 *n)
{
	if (!*n) return;
	tlb_flush();
	while (*n) frame_drop(gone[--*n]);
}

int vm_unmap(struct mm *mm, u32 start, u32 end)
{
	if (split(mm, start) || split(mm, end)) return -ENOMEM;
	u32 first = position(mm, start), last = first;
	for (; last < mm->count && mm->vma[last].end <= end; last++)
		if (mm->vma[last].inode) inode_put(mm->vma[last].inode);
	if (first == last) return 0;
	for (u32 i = last; i < mm->count; i++) mm->vma[i - last + first] = mm->vma[i];
	mm->count -= last - first;
	u32 n = 0;
	for (u32 va = start; va < end;) {
		pte_t *e = pt_lookup(mm, va);
		u32 stop = (va | ((1u << L2_SHIFT) - 1)) + 1;
		if (stop > end || !stop) stop = end;
		if (!e) { va = stop; continue; }
		for (; va < stop; va += PAGE, e++) {
			if (!(*e & P_PRESENT)) continue;
			if (n == countof(gone)) flush_gone(mm, &n);
			gone[n++] = pte_pfn(*e);
			set_pte(mm, e, 0);
		}
	}
	flush_gone(mm, &n);
	return 0;
}

int vm_protect(struct mm *mm, u32 start, u32 end, u32 prot)
{
	for (u32 va = start; va < end;) {
		struct vma *v = vm_find(mm, va);
		if (!v) return -ENOMEM;
		va = v->end;
	}
	if (split(mm, start) || split(mm, end)) return -ENOMEM;
	for (u32 i = 0; i < mm->count; i++)
		if (mm->vma[i].start >= start && mm->vma[i].end <= end) mm->vma[i].prot = prot;
	/* Only taking away is done here: what is granted comes at the next fault, which knows about sharing. */
	for (u32 va = start; va < end; va += PAGE) {
		pte_t *e = pt_lookup(mm, va);
		if (!e || !(*e & P_PRESENT)) continue;
		if (!(prot & PROT_WRITE) && (*e & P_WRITE)) set_pte(mm, e, *e & ~(pte_t)P_WRITE);
	}
	tlb_flush();
	return 0;
}

/* The frame a private region starts out with: the file's own page, or the one page of zeros that all share. Held. */
static int origin(const struct vma *v, u32 va)
{
	static u32 zeros;
	int pfn = v->inode ? inode_page(v->inode, (v->offset + (va - v->start)) / PAGE) : 0;
	if (pfn) return pfn;
	if (!zeros && !(zeros = frame_alloc_zero())) return -ENOMEM;
	frame_hold(zeros);
	return zeros;
}

/* mm is the one that is loaded. */
int vm_fault(struct mm *mm, u32 va, int write)
{
	struct vma *v = vm_find(mm, va);
	if (!v || !v->prot || (write && !(v->prot & PROT_WRITE))) return -EFAULT;
	va &= ~(PAGE - 1);
	pte_t *e = pt_make(mm, va);
	if (!e) return -ENOMEM;
	u32 writable = P_PRESENT | P_USER | P_ACCESSED | P_WRITE | P_DIRTY;
	int old = *e & P_PRESENT ? (int)pte_pfn(*e) : 0, was = old != 0;
	if (was && !write) return 0;              /* somebody filled it already */
	if (was && frame_refs(old) == 1) {        /* the last owner: no copy */
		map_page(va, e, *e | P_WRITE | P_DIRTY, 1);
		return 0;
	}
	if (!was && (v->inode || !write)) {
		if ((old = origin(v, va)) < 0) return old;
		if (!write) {
			map_page(va, e, mk_pte(old, P_PRESENT | P_USER | P_ACCESSED), 0);
			return 0;
		}
	}
	u32 pfn = frame_alloc();
	if (pfn && old) memcpy(va_of(pfn), va_of(old), PAGE);
	else if (pfn) memset(va_of(pfn), 0, PAGE);
	if (pfn) map_page(va, e, mk_pte(pfn, writable), was);
	if (pfn ? old : old && !was) frame_drop(old);
	return pfn ? 0 : -ENOMEM;
}

int user_ok(const void *p, u32 len, int write)
{
	u32 at = (u32)p, end = at + len;
	if (end < at || end > USER_TOP) return 0;
	while (at < end) {
		struct vma *v = vm_find(current->mm, at);
		if (!v || !(v->prot & (write ? PROT_WRITE : PROT_READ))) return 0;
		at = v->end;
	}
	return 1;
}

/* Copies a string in; its length, or a negative error. */
int user_string(const char *s, char *to, u32 size)
{
	for (u32 i = 0; i < size; i++) {
		if ((i == 0 || !((u32)(s + i) & (PAGE - 1))) && !user_ok(s + i, 1, 0)) return -EFAULT;
		if (!(to[i] = s[i])) return i;
	}
	return -E2BIG;
}
