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
#define VMAS 32
struct vma {
	u32 start, end, prot;
	struct inode *inode; u32 offset;          /* the file whose contents it has, held; NULL: zeros */
};
struct mm {
	pte_t *root;                              /* what the processor's base register names */
	pte_t *l2[L2_PAGES];                      /* non-PAE: l2[0] == root */
	u32 tables[(USER_TOP >> L2_SHIFT) / 32];  /* a bit for every L1 table of the user half */
	int live;                                 /* the tables have been shown to the processor (or to Xen) */
	u32 count, last, brk_start, brk;          /* last: where vm_find was right last time */
	struct vma vma[VMAS];                     /* by address */
};
extern struct mm kernel_mm, *loaded_mm;
pte_t *pt_lookup(struct mm *mm, u32 va);      /* the L1 entry, or NULL when there is no L1 table */
pte_t *pt_make(struct mm *mm, u32 va);        /* likewise, making the table; NULL out of memory */
struct mm *mm_new(void);
void mm_empty(struct mm *mm);                 /* no regions, no pages, no tables but the topmost, which may be loaded */
void mm_free(struct mm *mm);                  /* one that is not loaded, emptied or not */
void mm_each_table(struct mm *mm, void (*f)(u32 pfn));
int mm_fork(struct mm *child, struct mm *parent);

/* --- vm.c: regions and faults --- */
struct vma *vm_find(struct mm *mm, u32 va);
int vm_map(struct mm *mm, const struct vma *v);   /* holds its file once more */
int vm_brk(struct mm *mm, u32 end);           /* where the heap ends now; 0 asks */
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
int do_exec(const char *path, char **argv, u32 argc, char **envp, u32 envc, struct regs *r);   /* exec.c */
void do_exit(int code) __attribute__((noreturn));
int do_wait(int *status);
int do_kill(int pid, int sig);
void force_signal(int sig);                   /* signal.c */
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
struct file { const struct file_ops *ops; u32 refs, pos, flags; struct dentry *name; void *data; };
struct file *file_get(int fd);                /* NULL: not open */
int file_install(const struct file_ops *ops, void *data);   /* a new descriptor, or -EMFILE, -ENFILE */
int file_close(int fd);
int file_dup2(int from, int to);
int file_read(int fd, void *buf, u32 n);
int file_write(int fd, const void *buf, u32 n);
void file_dup_all(struct proc *child);
void file_close_all(void);
int file_pipe(int *fds);                      /* pipe.c */

/* --- poll.c --- */
void poll_wait(struct poll_table *t, struct waitq *q);   /* t may be NULL: nobody is going to sleep */
int sys_select(u32 n, u32 *sets[2], const struct timeval *tv);

/* --- namei.c: what calls do with names --- */
int file_open(const char *path, int flags);
int file_unlink(const char *path);
int file_mkdir(const char *path);
int file_stat(const char *path, struct stat *st);
int file_fstat(int fd, struct stat *st);
int file_fsync(int fd);
int file_seek(int fd, int offset, u32 whence);
struct inode *file_inode(int fd);             /* NULL: no regular file is open there; not held */
struct inode *exec_inode(const char *path);   /* held; NULL: there is no such program */
void inode_hold(struct inode *i);
void inode_put(struct inode *i);
int inode_page(struct inode *i, u32 index);   /* a held frame with that page of the file, 0 for a hole, or a negative error */
int inode_read(struct inode *i, u32 pos, void *buf, u32 n);
int fs_mount(void);
int fs_sync(void);
int fs_drop(void);

/* --- ../net --- */
void net_init(const char *command_line);
void net_tick(void);
int sys_socketcall(u32 call, const u32 *args);

/* --- cache.c --- */
u8 *cache_get(u32 block, int will_overwrite); /* 4096 bytes, valid until the next cache call; NULL on an I/O error */
u32 cache_frame(u32 block);                   /* the frame that holds them, held; 0 on an I/O error */
void cache_dirty(u32 block, u32 ino);
void cache_forget(u32 block);
int cache_sync(u32 ino);
void cache_drop(void);

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
