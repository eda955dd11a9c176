/* Types and the few library routines that kernel and programs share. */
#ifndef BASE_H
#define BASE_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __builtin_va_list va_list;
#define va_start __builtin_va_start
#define va_arg __builtin_va_arg
#define va_end __builtin_va_end
#define NULL ((void *)0)
#define countof(a) (sizeof(a) / sizeof((a)[0]))

void *memcpy(void *to, const void *from, u32 n);
void *memset(void *to, int c, u32 n);
int memcmp(const void *a, const void *b, u32 n);
u32 strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, u32 n);
u32 atoi(const char *s);
/* %d %u %x %08x %s %c; always terminated, returns the length written. */
int vformat(char *buf, u32 size, const char *fmt, va_list ap);
int format(char *buf, u32 size, const char *fmt, ...);

static inline u64 rdtsc(void) { u64 t; asm volatile("rdtsc" : "=A"(t)); return t; }

/* 64 by 32 bits without libgcc; the quotient saturates at 32 bits. */
static inline u32 div64(u64 n, u32 d)
{
	u32 hi = n >> 32, lo = n, q, r;
	if (!d || hi >= d) return ~0u;
	asm("divl %4" : "=a"(q), "=d"(r) : "0"(lo), "1"(hi), "rm"(d));
	return q;
}
#endif
