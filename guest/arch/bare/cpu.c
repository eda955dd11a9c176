/* Descriptor tables, 8259, 8254, 16550, the processor's registers. */
#include "kernel.h"
#include "ide.h"
#include "nic.h"

static u64 gdt[6] = {
	0,
	0x00CF9A000000FFFFull,                    /* kernel code, flat 4 GB */
	0x00CF92000000FFFFull,                    /* kernel data */
	0x00CFFA000000FFFFull,                    /* user code */
	0x00CFF2000000FFFFull,                    /* user data */
};
static struct { u32 link, esp0, ss0, rest[22]; u16 trap, iomap; } tss = { .ss0 = KERNEL_DS, .iomap = sizeof tss };
static u64 idt[256];
struct table { u16 limit; u32 base; } __attribute__((packed));
extern u8 trap_entries[], irq_entries[], syscall_entry[], boot_stack[];

static void gate(u32 n, void *to, u32 type)   /* 0x8E interrupt gate, 0xEF trap gate that programs may use */
{
	u32 at = (u32)to;
	idt[n] = (u64)((at & 0xFFFF0000) | type << 8) << 32 | KERNEL_CS << 16 | (at & 0xFFFF);
}

static void tables_init(void)
{
	u32 base = (u32)&tss;
	gdt[5] = (u64)(base & 0xFF000000) << 32 | (u64)(0x8900 | (base >> 16 & 0xFF)) << 32 | (base & 0xFFFF) << 16 | (sizeof tss - 1);
	struct table g = { sizeof gdt - 1, (u32)gdt }, i = { sizeof idt - 1, (u32)idt }, check;
	asm volatile("lgdt %0" : : "m"(g));
	asm volatile("ljmp %0, $1f; 1: mov %1, %%ds; mov %1, %%es; mov %1, %%ss; mov %2, %%fs; mov %2, %%gs"
		: : "i"(KERNEL_CS), "r"(KERNEL_DS), "r"(0));
	for (u32 n = 0; n < 32; n++) gate(n, trap_entries + 16 * n, n == 3 ? 0xEE : 0x8E);
	for (u32 n = 0; n < 16; n++) gate(32 + n, irq_entries + 16 * n, 0x8E);
	gate(0x80, syscall_entry, 0xEF);
	asm volatile("lidt %0" : : "m"(i));
	asm volatile("lldt %w0" : : "r"(0));
	asm volatile("ltr %w0" : : "r"(TSS_SELECTOR));
	/* What was loaded must be what is there: these are the instructions a deprivileged kernel sees through. */
	u32 selector, cs;
	asm volatile("sgdt %0" : "=m"(check));
	if (check.base != g.base || check.limit != g.limit) printf("boot: sgdt disagrees with lgdt\n");
	asm volatile("sidt %0" : "=m"(check));
	if (check.base != i.base || check.limit != i.limit) printf("boot: sidt disagrees with lidt\n");
	asm volatile("str %0" : "=r"(selector));
	if ((u16)selector != TSS_SELECTOR) printf("boot: str disagrees with ltr\n");
	asm volatile("mov %%cs, %0" : "=r"(cs));
	if ((u16)cs != KERNEL_CS) printf("boot: the kernel is not in ring 0\n");
}

/* All frames at KERNEL_BASE; the low identity mapping of boot.S goes away. */
static void memory_init(u32 frames)
{
	extern pte_t boot_directory[];
	extern u8 end[];
	u32 first = pfn_of(end + PAGE - 1), tables = (frames + 1023) / 1024;
	if (frames < 2048) panic("not enough memory: %u KB", frames * 4);
	kernel_mm = (struct mm){ .root = boot_directory, .l2 = { boot_directory }, .live = 1 };
	for (u32 t = 0; t < tables; t++) {
		pte_t *l1 = va_of(first + t);
		for (u32 i = 0; i < 1024; i++) l1[i] = mk_pte(t * 1024 + i, P_PRESENT | P_WRITE);
		boot_directory[768 + t] = mk_pte(first + t, P_PRESENT | P_WRITE);
	}
	boot_directory[0] = boot_directory[1] = 0;
	tlb_flush();
	frames_init(first + tables, frames);
}

static void pic_init(void)
{
	static const u8 master[] = { 32, 4, 1 }, slave[] = { 40, 2, 1 };
	outb(0x20, 0x11);
	outb(0xA0, 0x11);
	for (u32 i = 0; i < 3; i++) {
		outb(0x21, master[i]);
		outb(0xA1, slave[i]);
	}
	outb(0x21, 0xFF & ~(1 << 0 | 1 << 2));    /* the timer and the slave */
	outb(0xA1, 0xFF & ~(1 << 6));             /* IDE */
}

void irq_unmask(u32 number)
{
	u16 port = number < 8 ? 0x21 : 0xA1;
	outb(port, inb(port) & ~(1 << number % 8));
}

void irq(struct regs *r)
{
	if (r->trap >= 8) outb(0xA0, 0x20);
	outb(0x20, 0x20);
	if (r->trap == 0) tick();
	if (r->trap == 14) ide_interrupt();
	nic_interrupt(r->trap);
}

#define COM1 0x3F8
static void uart_init(void)
{
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x80);
	outb(COM1 + 0, 1);                        /* 115200 baud */
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x03);
	outb(COM1 + 2, 0x07);
}

void console_write(const char *s, u32 n)
{
	while (n--) {
		while (!(inb(COM1 + 5) & 0x20)) {}
		outb(COM1, *s++);
	}
}

void arch_idle(void) { asm volatile("sti; hlt" : : : "memory"); }

void arch_load(struct mm *mm)
{
	loaded_mm = mm;
	asm volatile("mov %0, %%cr3" : : "r"((u32)mm->root - KERNEL_BASE) : "memory");
}

void arch_switch(struct proc *next, struct mm *mm)
{
	tss.esp0 = (u32)next->kstack + PAGE;
	if (mm) arch_load(mm);
}

void arch_poweroff(u32 code)
{
	outl(0xF4, code);
	for (;;) asm volatile("cli; hlt");
}

int arch_portin(u32 n)
{
	for (u32 i = 0; i < n; i++) inb(0x80);
	return n;
}

u32 arch_fault_address(void) { u32 va; asm volatile("mov %%cr2, %0" : "=r"(va)); return va; }
int arch_fixup(struct regs *r) { return 0; }

struct multiboot { u32 flags, mem_lower, mem_upper, boot_device, cmdline; };

void bare_main(u32 magic, const struct multiboot *mb)
{
	static char cmdline[256];
	uart_init();
	mb = va_of(0) + (u32)mb;
	if (magic != 0x2BADB002 || !(mb->flags & 1)) panic("no multiboot loader, or it gives no memory size");
	if (mb->flags & 4)                        /* copied: the loader's memory is about to be handed out */
		format(cmdline, sizeof cmdline, "%s", (char *)va_of(0) + mb->cmdline);
	u32 frames = 256 + mb->mem_upper / 4;
	if (frames > 0x10000) frames = 0x10000;   /* 256 MB are plenty */
	tables_init();
	memory_init(frames);
	pic_init();
	u32 divisor = 1193182 / HZ;
	outb(0x43, 0x34);
	outb(0x40, divisor & 0xFF);
	outb(0x40, divisor >> 8);
	current->kstack = boot_stack;
	kernel_main(cmdline);
}
