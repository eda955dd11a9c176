/* The kernel's own declarations. What differs between the machines is in <port.h> and the arch_ functions below. */
#ifndef KERNEL_H
#define KERNEL_H
#include "../lib/abi.h"
#include <port.h>

#define PAGE 4096u
#define KERNEL_BASE 0xC0000000u
#define USER_TOP KERNEL_BASE
#define MMAP_BASE 0x40000000u
#define STACK_PAGES 64u
#define HZ 100

/* Frames are named by guest-physical number (pfn); all of them are mapped at KERNEL_BASE. */
#define va_of(pfn) ((void *)(KERNEL_BASE + ((pfn) << 12)))
#define pfn_of(va) (((u32)(va) - KERNEL_BASE) >> 12)

/* --- main.c --- */
int printf(const char *fmt, ...);
void panic(const char *fmt, ...) __attribute__((noreturn));
#define assert(x) do { if (!(x)) panic("assertion failed: %s", #x); } while (0)
void kernel_main(const char *cmdline) __attribute__((noreturn));

/* --- page.c: frames --- */
void frames_init(u32 first, u32 end);        /* frames [first, end) are free */
u32 frame_alloc(void);                        /* 0 when there is none */
u32 frame_alloc_zero(void);
void frame_hold(u32 pfn);
void frame_drop(u32 pfn);
u32 frame_refs(u32 pfn);
u32 frames_free(void);
void *page_alloc(void);                       /* a frame for the kernel itself; panics when there is none */

/* --- page.c: page tables. pte_t and PAE come from the port --- */
enum { P_PRESENT = 1, P_WRITE = 2, P_USER = 4, P_ACCESSED = 0x20, P_DIRTY = 0x40, P_SOFT = 0x200 };
#ifdef PAE
#define PTRS 512u
#define L2_SHIFT 21
#define L2_PAGES 4
#else
#define PTRS 1024u
#define L2_SHIFT 22
#define L2_PAGES 1
#endif
#define VMAS 16
struct vma {
	u32 start, end, prot;
	const u8 *src; u32 src_len;               /* contents from the program archive, then zeroes */
	u32 ino, offset;                          /* or from a file, when ino is not 0 */
};
struct mm {
	pte_t *root;                              /* what the processor's base register names */
	pte_t *l2[L2_PAGES];                      /* non-PAE: l2[0] == root */
	u32 tables[(USER_TOP >> L2_SHIFT) / 32];  /* a bit for every L1 table of the user half */
	int live;                                 /* the tables have been shown to the processor (or to Xen) */
	u32 count;
	struct vma vma[VMAS];
};
extern struct mm kernel_mm, *loaded_mm;
pte_t *pt_lookup(struct mm *mm, u32 va);      /* the L1 entry, or NULL when there is no L1 table */
pte_t *pt_make(struct mm *mm, u32 va);        /* likewise, making the table; NULL out of memory */
struct mm *mm_new(void);
void mm_free(struct mm *mm);
void mm_each_table(struct mm *mm, void (*f)(u32 pfn));
int mm_fork(struct mm *child, struct mm *parent);

/* --- vm.c: regions and faults --- */
int vm_map(struct mm *mm, const struct vma *v);
int vm_unmap(struct mm *mm, u32 start, u32 end);
int vm_protect(struct mm *mm, u32 start, u32 end, u32 prot);
u32 vm_hole(struct mm *mm, u32 len);
int vm_fault(struct mm *mm, u32 va, int write);   /* 0, or negative: not the process's to touch */
int user_ok(const void *p, u32 len, int write);
int user_string(const char *s, char *to, u32 size);

/* --- proc.c --- */
struct proc;
struct waiter { struct proc *proc; struct waiter *next, **at; };
struct waitq { struct waiter *head; };
struct sigact { u32 handler, restorer; };
struct file;
enum { FREE, RUNNABLE, SLEEPING, ZOMBIE };
#define NFD 128
#define NPROC 48
struct proc {
	u32 ksp;                                  /* first: switch_stacks knows */
	u8 *kstack;
	struct mm *mm;
	struct proc *parent, *next;
	struct waitq children;
	int pid, state, exit_code, slice;
	u32 pending, blocked;
	struct sigact sig[NSIG];
	struct file *fd[NFD];
	int fd_end;                               /* beyond the last that was ever open */
};
extern struct proc *current;
extern volatile int need_resched;
extern volatile u32 jiffies;
#define user_regs(p) ((struct regs *)((p)->kstack + PAGE) - 1)
void proc_init(void);
void schedule(void);
void sleep_on(struct waitq *q);               /* interrupts off; wakes with them off */
void wakeup(struct waitq *q);
void wait_add(struct waitq *q, struct waiter *w);   /* w is woken with q until it is removed; interrupts off, both */
void wait_remove(struct waiter *w);
extern struct waitq every_tick;
void tick(void);
void switch_stacks(struct proc *prev, struct proc *next);
void ret_from_fork(void);
int do_fork(struct regs *r);
int do_exec(const char *name, char **argv, int argc, struct regs *r);
void do_exit(int code) __attribute__((noreturn));
int do_wait(int *status);
int do_kill(int pid, int sig);
void force_signal(int sig);
void sigreturn(struct regs *r);
static inline u32 signals_due(void) { return current->pending & ~current->blocked; }

/* --- trap.c: called by the entry code --- */
void trap(struct regs *r);
void syscall(struct regs *r);
void work(struct regs *r);                    /* before user mode: reschedule, deliver signals */

/* --- file.c: descriptors --- */
enum { POLL_IN = 1, POLL_OUT = 2 };
struct poll_table;
struct file_ops {
	int (*read)(struct file *f, void *buf, u32 n);
	int (*write)(struct file *f, const void *buf, u32 n);
	u32 (*poll)(struct file *f, struct poll_table *t);   /* what is ready now; poll_wait for each queue whose wakeup changes it */
	void (*release)(struct file *f);          /* the last reference has gone */
};
struct file { const struct file_ops *ops; u32 refs, pos, ino; void *data; };
struct file *file_get(int fd);                /* NULL: not open */
int file_install(const struct file_ops *ops, void *data);   /* a new descriptor, or -EMFILE, -ENFILE */
int file_open(const char *name, int create);
int file_close(int fd);
int file_read(int fd, void *buf, u32 n);
int file_write(int fd, const void *buf, u32 n);
void file_dup_all(struct proc *child);
void file_close_all(void);
int file_ino(int fd);
int file_pipe(int *fds);                      /* pipe.c */

/* --- poll.c --- */
void poll_wait(struct poll_table *t, struct waitq *q);   /* t may be NULL: nobody is going to sleep */
int sys_select(u32 n, u32 *sets[2], const struct timeval *tv);

/* --- fs.c, cache.c --- */
int fs_mount(void);
int fs_find(const char *name, int create);    /* an inode number > 0 or a negative error */
int fs_unlink(const char *name);
int fs_stat(const char *name, struct stat *st);
int fs_read(u32 ino, u32 pos, void *buf, u32 n);
int fs_write(u32 ino, u32 pos, const void *buf, u32 n);
u8 *cache_get(u32 block, int will_overwrite); /* 4096 bytes, valid until the next cache call; NULL on an I/O error */
void cache_dirty(u32 block);
int cache_sync(void);
int cache_drop(void);

/* --- ../net --- */
void net_init(const char *command_line);
void net_tick(void);
int sys_socketcall(u32 call, const u32 *args);

/* --- the archive of programs in the image --- */
const u8 *archive_find(const char *name, u32 *len);

/* --- the port. Inline in <port.h>, besides the interrupt flag and the selectors:
 *   mk_pte(pfn, flags), pte_pfn(entry)
 *   set_pte(mm, at, entry), set_l2(mm, at, entry)   may be queued when mm is live
 *   pt_commit()                      what is queued has happened
 *   tlb_flush()                      likewise, and no old translation of the loaded mm is left
 *   map_page(va, at, entry, was)     one entry of the loaded mm, at once; was: it was present
 *   pt_page_protect(pfn)             the frame is about to become a table of a live mm
 *   mm_activate(mm), mm_retire(mm)   its tables may from now on, or will no longer, be loaded; activation is complete
 *                                    with the next tlb_flush or arch_load --- */
void console_write(const char *s, u32 n);
u32 disk_init(void);                          /* 4096-byte blocks, 0 when there is no disk */
int disk_io(int write, u32 block, void *page);   /* sleeps; 0 or -EIO */
void arch_init(void);                         /* interrupts, timer */
void arch_idle(void);                         /* interrupts off on entry; on at return */
void arch_switch(struct proc *next, struct mm *mm);   /* next's kernel stack; mm's tables when not NULL */
void arch_load(struct mm *mm);
void arch_poweroff(u32 code) __attribute__((noreturn));
int arch_portin(u32 n);
u32 arch_fault_address(void);
int arch_fixup(struct regs *r);               /* a kernel exception the port expects: 1 when it has been repaired */
#define from_user(r) (((r)->cs & 3) == 3)
#endif
