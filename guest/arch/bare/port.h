/* The bare PC: what shared code needs inline. */
#ifndef PORT_H
#define PORT_H
typedef u32 pte_t;
typedef u32 irq_t;
#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_CS 0x1B
#define USER_DS 0x23
#define TSS_SELECTOR 0x28

static inline u8 inb(u16 port) { u8 v; asm volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline void outb(u16 port, u8 v) { asm volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline u16 inw(u16 port) { u16 v; asm volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; asm volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline void outw(u16 port, u16 v) { asm volatile("outw %0, %1" : : "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { asm volatile("outl %0, %1" : : "a"(v), "Nd"(port)); }

static inline irq_t irq_save(void) { irq_t f; asm volatile("pushf; pop %0; cli" : "=r"(f) : : "memory"); return f; }
static inline void irq_restore(irq_t f) { asm volatile("push %0; popf" : : "r"(f) : "memory", "cc"); }
static inline void irq_enable(void) { asm volatile("sti" : : : "memory"); }
static inline void irq_disable(void) { asm volatile("cli" : : : "memory"); }

void irq_unmask(u32 number);
#define machine_frame(pfn) (pfn)              /* under Xen: frames are translated, and named as we name them */
#define mk_pte(pfn, flags) ((pte_t)(pfn) << 12 | (flags))
#define pte_pfn(e) ((e) >> 12)
#define set_pte(mm, at, e) (*(volatile pte_t *)(at) = (e))
#define set_l2(mm, at, e) (*(volatile pte_t *)(at) = (e))
#define pt_commit() ((void)0)
#define pt_page_protect(pfn) ((void)0)
#define mm_activate(mm) ((mm)->live = 1)
#define mm_retire(mm) ((void)0)

static inline void map_page(u32 va, pte_t *at, pte_t e, int was)
{
	*(volatile pte_t *)at = e;
	if (was) asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}
static inline void tlb_flush(void) { u32 t; asm volatile("mov %%cr3, %0; mov %0, %%cr3" : "=r"(t) : : "memory"); }
#endif
