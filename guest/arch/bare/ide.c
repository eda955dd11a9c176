/* The primary master by programmed I/O, 28-bit block addresses, an interrupt per transfer of `multiple` sectors. */
#include "kernel.h"
#include "ide.h"

enum { DATA = 0x1F0, COUNT = 0x1F2, LBA0, LBA1, LBA2, DRIVE, COMMAND, CONTROL = 0x3F6 };
enum { BUSY = 0x80, READY = 0x40, FAULT = 0x20, DRQ = 0x08, ERROR = 0x01 };
enum { READ = 0x20, WRITE = 0x30, READ_MULTIPLE = 0xC4, WRITE_MULTIPLE = 0xC5, SET_MULTIPLE = 0xC6, IDENTIFY = 0xEC };
#define SECTORS (PAGE / 512)
static u32 multiple = 1;
static volatile int interrupted;
static struct waitq done;

/* Reading the status is what takes the drive's interrupt back. */
void ide_interrupt(void)
{
	inb(COMMAND);
	interrupted = 1;
	wakeup(&done);
}

static int wait_interrupt(void)
{
	irq_t flags = irq_save();
	while (!interrupted) sleep_on(&done);
	interrupted = 0;
	irq_restore(flags);
	return inb(CONTROL);
}

/* Bounded, so that a missing drive is only slow; everything after the first answer waits for interrupts. */
static int poll(int until)
{
	for (u32 i = 0; i < 100000; i++) {
		int s = inb(CONTROL);
		if (s == 0xFF) return -1;
		if (!(s & BUSY) && (s & (until | ERROR | FAULT))) return s;
	}
	return -1;
}

static void take(void *to, u32 sectors)
{
	u32 words = sectors * 256;
	asm volatile("cld; rep insw" : "+D"(to), "+c"(words) : "d"(DATA) : "memory");
}

static void give(const void *from, u32 sectors)
{
	u32 words = sectors * 256;
	asm volatile("cld; rep outsw" : "+S"(from), "+c"(words) : "d"(DATA) : "memory");
}

u32 disk_init(void)
{
	static u16 id[256];
	outb(DRIVE, 0xE0);
	if (inb(COMMAND) == 0xFF || inb(COMMAND) == 0) return 0;
	outb(CONTROL, 2);                         /* no interrupts while asking */
	outb(COMMAND, IDENTIFY);
	int s = poll(DRQ);
	if (s < 0 || !(s & DRQ)) return 0;
	take(id, 1);
	if ((id[47] & 0xFF) >= SECTORS) {
		outb(COUNT, SECTORS);
		outb(COMMAND, SET_MULTIPLE);
		s = poll(READY);
		if (s >= 0 && !(s & ERROR)) multiple = SECTORS;
	}
	inb(COMMAND);
	outb(CONTROL, 0);
	interrupted = 0;
	return (id[60] | id[61] << 16) / SECTORS;
}

int disk_io(int write, u32 block, void *page)
{
	u32 lba = block * SECTORS;
	outb(COUNT, SECTORS);
	outb(LBA0, lba);
	outb(LBA1, lba >> 8);
	outb(LBA2, lba >> 16);
	outb(DRIVE, 0xE0 | lba >> 24);
	interrupted = 0;
	outb(COMMAND, multiple > 1 ? (write ? WRITE_MULTIPLE : READ_MULTIPLE) : (write ? WRITE : READ));
	for (u32 at = 0; at < SECTORS; at += multiple, page += 512 * multiple) {
		int s;
		if (write) {
			if (at == 0) s = poll(DRQ);       /* the first sector is asked for without an interrupt */
			if (at == 0 && (s < 0 || !(s & DRQ))) return -EIO;
			give(page, multiple);
			s = wait_interrupt();
		} else {
			s = wait_interrupt();
			if (!(s & DRQ)) return -EIO;
			take(page, multiple);
		}
		if (s & (ERROR | FAULT)) return -EIO;
	}
	return 0;
}
