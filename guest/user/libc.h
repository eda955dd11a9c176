/* What libc.so exports, for programs that are linked to it when they start. */
#ifndef LIBC_H
#define LIBC_H
#include "../lib/abi.h"

int fork(void), wait(int *status), exec(const char *path, char **argv, char **envp), getpid(void), getppid(void), yield(void);
int read(int fd, void *b, u32 n), write(int fd, const void *b, u32 n), open(const char *name, int flags), create(const char *name);
int unlink(const char *name), mkdir(const char *name), stat(const char *name, struct stat *s), fstat(int fd, struct stat *s);
int lseek(int fd, int offset, int whence), fsync(int fd), sync(void), dup2(int from, int to), close(int fd), pipe(int *fds), kill(int pid, int sig);
void *mmap(u32 len, u32 prot, int fd, u32 offset);
int munmap(void *p, u32 len);
int signal(int sig, void (*handler)(int, struct regs *));
void exit(int code) __attribute__((noreturn)), _exit(int code) __attribute__((noreturn));
int atexit(void (*f)(void));

extern char **environ;
char *getenv(const char *name);
void setenv(const char *name, const char *value);
int execvp(const char *file, char **argv);
const char *setlocale(const char *name);
const char *strerror(int error), *strsignal(int sig);

void *malloc(u32 n), *calloc(u32 n, u32 size), *realloc(void *p, u32 n);
void free(void *p);
char *strchr(const char *s, int c), *strrchr(const char *s, int c), *strcpy(char *to, const char *from), *strdup(const char *s);
char *strstr(const char *s, const char *what);
int strtol(const char *s, char **end);
int isspace(int c), isdigit(int c), isalpha(int c), toupper(int c), tolower(int c);
void qsort(void *base, u32 n, u32 size, int (*compare)(const void *, const void *));
void *bsearch(const void *key, const void *base, u32 n, u32 size, int (*compare)(const void *, const void *));

struct stream;
extern struct stream *standard_output, *standard_error;
struct stream *fopen(const char *path, const char *mode);
int fclose(struct stream *s), fflush(struct stream *s), fputs(const char *text, struct stream *s), getc(struct stream *s);
int fgets(char *to, u32 size, struct stream *s);
int printf(const char *fmt, ...), fprintf(struct stream *s, const char *fmt, ...), puts(const char *text);
#ifndef HASH_START
#define HASH_START 0x811C9DC5u
static inline u32 hash(u32 h, u32 v) { return (h ^ v) * 0x01000193u; }
#endif
#endif
