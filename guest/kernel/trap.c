/* Exceptions and system calls, after the port's entry code has stacked the registers. */
#include "kernel.h"

#define PATH_MAX 128
#define EXEC_STRINGS 48

static void dump(struct regs *r)
{
	printf("eip %08x cs %x eflags %08x esp %08x  eax %08x ebx %08x ecx %08x edx %08x  esi %08x edi %08x ebp %08x  error %x\n",
		r->eip, r->cs & 0xFFFF, r->eflags, from_user(r) ? r->esp : (u32)&r->esp, r->eax, r->ebx, r->ecx, r->edx,
		r->esi, r->edi, r->ebp, r->err);
}

void trap(struct regs *r)
{
	static const u8 signal_of[20] = { [0] = SIGFPE, [1] = SIGTRAP, [3] = SIGTRAP, [6] = SIGILL };
	u32 va = r->trap == 14 ? arch_fault_address() : 0;   /* before anything can fault again */
	if (r->eflags & 0x200) irq_enable();
	if (r->trap == 14) {
		int write = (r->err & 2) != 0;
		if (va < USER_TOP && current->mm && !vm_fault(current->mm, va, write)) return;
		if (!from_user(r)) {
			dump(r);
			panic("page fault in the kernel at %08x", va);
		}
		force_signal(SIGSEGV);
		return;
	}
	if (!from_user(r)) {
		if (arch_fixup(r)) return;
		dump(r);
		panic("exception %u in the kernel", r->trap);
	}
	force_signal(r->trap < 20 && signal_of[r->trap] ? signal_of[r->trap] : SIGSEGV);
}

/* Copies an array of strings in; their number, or a negative error. */
static int strings(char **user, char **to, char *room, u32 *at)
{
	for (u32 n = 0; ; n++) {
		if (!user_ok(user + n, 4, 0)) return -EFAULT;
		if (!user[n]) return n;
		if (n == EXEC_STRINGS) return -E2BIG;
		to[n] = room + *at;
		int len = user_string(user[n], to[n], PAGE - *at);
		if (len < 0) return len;
		*at += len + 1;
	}
}

static int sys_exec(struct regs *r)
{
	char path[PATH_MAX], *argv[EXEC_STRINGS], *envp[EXEC_STRINGS];
	int n = user_string((char *)r->ebx, path, sizeof path), argc, envc;
	if (n < 0) return n;
	u32 pfn = frame_alloc(), at = 0;
	if (!pfn) return -ENOMEM;
	if ((argc = strings((char **)r->ecx, argv, va_of(pfn), &at)) < 0) n = argc;
	else if ((envc = r->edx ? strings((char **)r->edx, envp, va_of(pfn), &at) : 0) < 0) n = envc;
	else n = do_exec(path, argv, argc, envp, envc, r);
	frame_drop(pfn);
	return n;
}

/* at: where it has to be, instead of what was there; 0 for anywhere. */
static int sys_mmap(u32 at, u32 len, u32 prot, int fd, u32 offset)
{
	struct vma v = { .start = at, .prot = prot & 7, .offset = offset };
	if (!len || len > USER_TOP) return -EINVAL;
	len = (len + PAGE - 1) & ~(PAGE - 1);
	if (fd >= 0) {
		if (!(v.inode = file_inode(fd))) return -EBADF;
		if (offset & (PAGE - 1)) return -EINVAL;
	}
	if (!at) v.start = vm_hole(current->mm, len);
	else if (at & (PAGE - 1) || at + len < at || at + len > USER_TOP || vm_unmap(current->mm, at, at + len)) return -EINVAL;
	v.end = v.start + len;
	if (!v.start || vm_map(current->mm, &v)) return -ENOMEM;
	return v.start;
}

static int range_ok(u32 at, u32 *len)
{
	*len = (*len + PAGE - 1) & ~(PAGE - 1);
	return !(at & (PAGE - 1)) && *len && at + *len > at && at + *len <= USER_TOP;
}

/* The kernel's own loop over page-table entries: flips a bit the hardware ignores, one commit per pass. */
static int sys_ptemod(u32 at, u32 pages, u32 passes)
{
	struct mm *mm = current->mm;
	u32 changed = 0;
	if (!user_ok((void *)at, pages * PAGE, 0) || pages > 1024) return -EFAULT;
	for (u32 pass = 0; pass < passes; pass++) {
		for (u32 i = 0; i < pages; i++) {
			pte_t *e = pt_lookup(mm, at + i * PAGE);
			if (!e || !(*e & P_PRESENT)) continue;
			set_pte(mm, e, *e ^ P_SOFT);
			changed++;
		}
		pt_commit();
	}
	return changed;
}

static int with_path(u32 nr, const char *user, u32 b)
{
	char path[PATH_MAX];
	int n = user_string(user, path, sizeof path);
	if (n < 0) return n;
	switch (nr) {
	case SYS_open: return file_open(path, b);
	case SYS_creat: return file_open(path, O_CREAT | O_TRUNC);
	case SYS_unlink: return file_unlink(path);
	case SYS_mkdir: return file_mkdir(path);
	default: return user_ok((void *)b, sizeof(struct stat), 1) ? file_stat(path, (struct stat *)b) : -EFAULT;
	}
}

static int dispatch(struct regs *r)
{
	u32 a = r->ebx, b = r->ecx, c = r->edx;
	int n, status;
	switch (r->eax) {
	case SYS_getpid: return current->pid;
	case SYS_getppid: return current->parent ? current->parent->pid : 0;
	case SYS_read: return user_ok((void *)b, c, 1) ? file_read(a, (void *)b, c) : -EFAULT;
	case SYS_write: return user_ok((void *)b, c, 0) ? file_write(a, (void *)b, c) : -EFAULT;
	case SYS_fork: return do_fork(r);
	case SYS_exec: return sys_exec(r);
	case SYS_exit: do_exit(a & 0xFF);
	case SYS_wait:
		if (a && !user_ok((void *)a, 4, 1)) return -EFAULT;
		n = do_wait(&status);
		if (n > 0 && a) *(int *)a = status;
		return n;
	case SYS_open: case SYS_creat: case SYS_unlink: case SYS_mkdir: case SYS_stat: return with_path(r->eax, (char *)a, b);
	case SYS_fstat: return user_ok((void *)b, sizeof(struct stat), 1) ? file_fstat(a, (struct stat *)b) : -EFAULT;
	case SYS_lseek: return file_seek(a, b, c);
	case SYS_fsync: return file_fsync(a);
	case SYS_close: return file_close(a);
	case SYS_dup2: return file_dup2(a, b);
	case SYS_pipe: return user_ok((void *)a, 8, 1) ? file_pipe((int *)a) : -EFAULT;
	case SYS_sync: return fs_sync();
	case SYS_dropcache: return fs_drop();
	case SYS_kill: return do_kill(a, b);
	case SYS_sigaction:
		if (!a || a >= NSIG || a == SIGKILL) return -EINVAL;
		current->sig[a] = (struct sigact){ b, c };
		return 0;
	case SYS_brk: return vm_brk(current->mm, a);
	case SYS_mmap: return sys_mmap(0, a, b, c, r->esi);
	case SYS_mmap2: return sys_mmap(a, b, c, r->esi, r->edi);
	case SYS_munmap: return range_ok(a, &b) ? vm_unmap(current->mm, a, a + b) : -EINVAL;
	case SYS_mprotect: return range_ok(a, &b) ? vm_protect(current->mm, a, a + b, c & 7) : -EINVAL;
	case SYS_socketcall: return sys_socketcall(a, (const u32 *)b);
	case SYS_select: return sys_select(a, (u32 *[]){ (u32 *)b, (u32 *)c }, (const struct timeval *)r->edi);
	case SYS_yield: schedule(); return 0;
	case SYS_ptemod: return sys_ptemod(a, b, c);
	case SYS_portin: return arch_portin(a);
	case SYS_poweroff: arch_poweroff(a);
	}
	return -ENOSYS;
}

void syscall(struct regs *r)
{
	if (r->eax == SYS_sigreturn) { sigreturn(r); return; }   /* restores every register, eax too */
	u32 nr = r->eax;
	int result = dispatch(r);
	if (nr != SYS_exec || result) r->eax = result;           /* a new program starts with clean registers */
}
