/* Regions of an address space, demand fill and copy on write. */
#include "kernel.h"

static struct vma *find(struct mm *mm, u32 va)
{
	for (u32 i = 0; i < mm->count; i++)
		if (va >= mm->vma[i].start && va < mm->vma[i].end) return &mm->vma[i];
	return NULL;
}

int vm_map(struct mm *mm, const struct vma *v)
{
	if (v->start >= v->end || v->end > USER_TOP || mm->count == VMAS) return -ENOMEM;
	mm->vma[mm->count++] = *v;
	return 0;
}

/* The lowest hole of len bytes above MMAP_BASE; 0 when there is none. */
u32 vm_hole(struct mm *mm, u32 len)
{
	u32 at = MMAP_BASE;
	for (u32 i = 0; i < mm->count; i++)
		if (mm->vma[i].start < at + len && at < mm->vma[i].end) {
			at = mm->vma[i].end;
			i = -1u;                          /* moved: look at all of them again */
		}
	return at + len > at && at + len <= USER_TOP - STACK_PAGES * PAGE ? at : 0;
}

/* Makes va a region boundary. */
static int split(struct mm *mm, u32 va)
{
	struct vma *v = find(mm, va);
	if (!v || v->start == va) return 0;
	if (mm->count == VMAS) return -ENOMEM;
	struct vma *upper = &mm->vma[mm->count++];
	u32 lower_len = va - v->start;
	*upper = *v;
	upper->start = v->end = va;
	if (v->src) {
		u32 skip = lower_len < v->src_len ? lower_len : v->src_len;
		upper->src += skip;
		upper->src_len -= skip;
	}
	upper->offset += lower_len;
	return 0;
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
	for (u32 i = 0; i < mm->count;)
		if (mm->vma[i].start >= start && mm->vma[i].end <= end) mm->vma[i] = mm->vma[--mm->count];
		else i++;
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
	for (u32 va = start; va < end; va += PAGE)
		if (!find(mm, va)) return -ENOMEM;
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

static int fill(const struct vma *v, u32 va, u8 *page)
{
	u32 at = va - v->start, n = 0;
	if (v->src) {
		n = at < v->src_len ? v->src_len - at : 0;
		if (n > PAGE) n = PAGE;
		memcpy(page, v->src + at, n);
	} else if (v->ino) {
		int got = fs_read(v->ino, v->offset + at, page, PAGE);
		if (got < 0) return got;
		n = got;
	}
	memset(page + n, 0, PAGE - n);
	return 0;
}

/* mm is the one that is loaded. */
int vm_fault(struct mm *mm, u32 va, int write)
{
	struct vma *v = find(mm, va);
	if (!v || !v->prot || (write && !(v->prot & PROT_WRITE))) return -EFAULT;
	va &= ~(PAGE - 1);
	pte_t *e = pt_make(mm, va);
	if (!e) return -ENOMEM;
	u32 flags = P_PRESENT | P_USER | P_ACCESSED | (v->prot & PROT_WRITE ? P_WRITE | P_DIRTY : 0);
	u32 old = *e & P_PRESENT ? pte_pfn(*e) : 0;
	if (old && !write) return 0;              /* somebody filled it already */
	if (old && frame_refs(old) == 1) {        /* the last owner: no copy */
		map_page(va, e, *e | P_WRITE | P_DIRTY, 1);
		return 0;
	}
	u32 pfn = frame_alloc();
	if (!pfn) return -ENOMEM;
	if (old) memcpy(va_of(pfn), va_of(old), PAGE);
	else if (fill(v, va, va_of(pfn))) { frame_drop(pfn); return -EIO; }
	map_page(va, e, mk_pte(pfn, flags), old != 0);
	if (old) frame_drop(old);
	return 0;
}

int user_ok(const void *p, u32 len, int write)
{
	u32 at = (u32)p, end = at + len;
	if (end < at || end > USER_TOP) return 0;
	while (at < end) {
		struct vma *v = find(current->mm, at);
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
