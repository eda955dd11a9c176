/* What the kernel promises programs: system call numbers (i386 Linux's where it has one), errors, flags. */
#ifndef ABI_H
#define ABI_H
#include "base.h"

enum {
	SYS_exit = 1, SYS_fork = 2, SYS_read = 3, SYS_write = 4, SYS_open = 5, SYS_close = 6,
	SYS_wait = 7, SYS_creat = 8, SYS_unlink = 10, SYS_exec = 11, SYS_lseek = 19,
	SYS_getpid = 20, SYS_sync = 36,
	SYS_kill = 37, SYS_mkdir = 39, SYS_dup2 = 63, SYS_pipe = 42, SYS_brk = 45, SYS_getppid = 64, SYS_sigaction = 67, SYS_mmap = 90,
	SYS_munmap = 91, SYS_socketcall = 102, SYS_stat = 106, SYS_fstat = 108, SYS_fsync = 118, SYS_sigreturn = 119,
	SYS_mprotect = 125, SYS_select = 142, SYS_yield = 158, SYS_mmap2 = 192,
	/* ours */
	SYS_poweroff = 200, SYS_dropcache = 201, SYS_ptemod = 202, SYS_portin = 203,
	SYS_max
};

enum {
	EPERM = 1, ENOENT = 2, ESRCH = 3, EINTR = 4, EIO = 5, E2BIG = 7, ENOEXEC = 8, EBADF = 9, ECHILD = 10,
	ENOMEM = 12, EACCES = 13, EFAULT = 14, EEXIST = 17, ENODEV = 19, ENOTDIR = 20, EISDIR = 21, EINVAL = 22, ENFILE = 23,
	EMFILE = 24, EFBIG = 27, ENOSPC = 28, EPIPE = 32, ENAMETOOLONG = 36, ENOSYS = 38, ENOTSOCK = 88, EPROTONOSUPPORT = 93,
	EADDRINUSE = 98, ECONNRESET = 104, ENOBUFS = 105, EISCONN = 106, ENOTCONN = 107, ETIMEDOUT = 110, ECONNREFUSED = 111
};

enum { SIGILL = 4, SIGTRAP = 5, SIGFPE = 8, SIGKILL = 9, SIGUSR1 = 10, SIGSEGV = 11, SIGPIPE = 13,
	SIGTERM = 15, SIGCHLD = 17, NSIG = 32 };
#define SIG_DFL 0
#define SIG_IGN 1

enum { PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4 };
#define MAP_FAILED(p) ((u32)(p) > 0xFFFFF000u)

struct timeval { u32 sec, usec; };
struct sockaddr { u16 family, port; u32 ip; u32 zero[2]; };   /* port and address in network order */
enum { O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000, O_APPEND = 02000, O_SYNC = 010000 };
struct stat { u32 ino, mode, links, uid, gid, size, block_size, sectors, accessed, modified, changed; };

/* The registers as the entry code stacks them; a signal handler gets a pointer to the interrupted ones. */
struct regs {
	u32 ebx, ecx, edx, esi, edi, ebp, eax, ds, es;
	u32 trap, err;
	u32 eip, cs, eflags, esp, ss;
};
#endif
