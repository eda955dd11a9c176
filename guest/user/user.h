/* The programs' C library. */
#ifndef USER_H
#define USER_H
#include "../lib/abi.h"

#ifndef LIBCALL
#define LIBCALL static inline                 /* libc.so makes functions of them, for programs that are linked to it (libc.h) */
#endif

static inline int sys(int nr, u32 a, u32 b, u32 c, u32 d)
{
	int r;
	asm volatile("int $0x80" : "=a"(r) : "0"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	return r;
}
#define S0(n) sys(n, 0, 0, 0, 0)
LIBCALL void exit(int code) { sys(SYS_exit, code, 0, 0, 0); __builtin_unreachable(); }
LIBCALL int fork(void) { return S0(SYS_fork); }
LIBCALL int wait(int *status) { return sys(SYS_wait, (u32)status, 0, 0, 0); }
LIBCALL int exec(const char *path, char **argv, char **envp) { return sys(SYS_exec, (u32)path, (u32)argv, (u32)envp, 0); }
LIBCALL int getpid(void) { return S0(SYS_getpid); }
LIBCALL int getppid(void) { return S0(SYS_getppid); }
LIBCALL int yield(void) { return S0(SYS_yield); }
LIBCALL int read(int fd, void *b, u32 n) { return sys(SYS_read, fd, (u32)b, n, 0); }
LIBCALL int write(int fd, const void *b, u32 n) { return sys(SYS_write, fd, (u32)b, n, 0); }
LIBCALL int open(const char *name, int flags) { return sys(SYS_open, (u32)name, flags, 0, 0); }
LIBCALL int create(const char *name) { return sys(SYS_creat, (u32)name, 0, 0, 0); }
LIBCALL int unlink(const char *name) { return sys(SYS_unlink, (u32)name, 0, 0, 0); }
LIBCALL int stat(const char *name, struct stat *s) { return sys(SYS_stat, (u32)name, (u32)s, 0, 0); }
LIBCALL int fstat(int fd, struct stat *s) { return sys(SYS_fstat, fd, (u32)s, 0, 0); }
LIBCALL int mkdir(const char *name) { return sys(SYS_mkdir, (u32)name, 0, 0, 0); }
LIBCALL int lseek(int fd, int offset, int whence) { return sys(SYS_lseek, fd, offset, whence, 0); }
LIBCALL int fsync(int fd) { return sys(SYS_fsync, fd, 0, 0, 0); }
LIBCALL int dup2(int from, int to) { return sys(SYS_dup2, from, to, 0, 0); }
LIBCALL u32 brk(u32 end) { return sys(SYS_brk, end, 0, 0, 0); }
LIBCALL int close(int fd) { return sys(SYS_close, fd, 0, 0, 0); }
LIBCALL int pipe(int *fds) { return sys(SYS_pipe, (u32)fds, 0, 0, 0); }
LIBCALL int kill(int pid, int sig) { return sys(SYS_kill, pid, sig, 0, 0); }
LIBCALL int sync(void) { return S0(SYS_sync); }
LIBCALL int dropcache(void) { return S0(SYS_dropcache); }
LIBCALL void *mmap(u32 len, u32 prot, int fd, u32 offset) { return (void *)sys(SYS_mmap, len, prot, fd, offset); }
LIBCALL int munmap(void *p, u32 len) { return sys(SYS_munmap, (u32)p, len, 0, 0); }
LIBCALL int mprotect(void *p, u32 len, u32 prot) { return sys(SYS_mprotect, (u32)p, len, prot, 0); }
LIBCALL int ptemod(void *p, u32 pages, u32 passes) { return sys(SYS_ptemod, (u32)p, pages, passes, 0); }
LIBCALL int portin(u32 n) { return sys(SYS_portin, n, 0, 0, 0); }
LIBCALL void poweroff(u32 code) { sys(SYS_poweroff, code, 0, 0, 0); }
LIBCALL int socketcall(int call, u32 a, u32 b, u32 c) { u32 args[4] = { a, b, c, 0 }; return sys(SYS_socketcall, call, (u32)args, 0, 0); }
LIBCALL int socket(void) { return socketcall(1, 2, 1, 0); }   /* AF_INET, SOCK_STREAM */
LIBCALL u16 htons(u32 v) { return (v << 8 & 0xFF00) | (v >> 8 & 0xFF); }
LIBCALL u32 htonl(u32 v) { asm("bswap %0" : "+r"(v)); return v; }
LIBCALL struct sockaddr inet(u32 ip, u32 port) { return (struct sockaddr){ 2, htons(port), htonl(ip), { 0 } }; }
LIBCALL int bind(int fd, const struct sockaddr *a) { return socketcall(2, fd, (u32)a, sizeof *a); }
LIBCALL int connect(int fd, const struct sockaddr *a) { return socketcall(3, fd, (u32)a, sizeof *a); }
LIBCALL int listen(int fd, u32 backlog) { return socketcall(4, fd, backlog, 0); }
LIBCALL int accept(int fd) { return socketcall(5, fd, 0, 0); }
LIBCALL int shutdown(int fd, u32 how) { return socketcall(13, fd, how, 0); }
LIBCALL int select(u32 n, u32 *read, u32 *write, const struct timeval *tv)
{
	int r;
	asm volatile("int $0x80" : "=a"(r) : "0"(SYS_select), "b"(n), "c"(read), "d"(write), "S"(0), "D"(tv) : "memory");
	return r;
}
int signal(int sig, void (*handler)(int, struct regs *));
void say(const char *fmt, ...);

/* FNV-1a over words: the checksum of everything here. */
#define HASH_START 0x811C9DC5u
static inline u32 hash(u32 h, u32 v) { return (h ^ v) * 0x01000193u; }
int main(int argc, char **argv, char **envp);
#endif
