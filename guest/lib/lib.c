#include "base.h"

void *memcpy(void *to, const void *from, u32 n)
{
	void *d = to;
	u32 words = n >> 2;
	asm volatile("cld; rep movsl; mov %3, %%ecx; rep movsb"
		: "+D"(d), "+S"(from), "+c"(words) : "g"(n & 3) : "memory");
	return to;
}

void *memset(void *to, int c, u32 n)
{
	void *d = to;
	u32 words = n >> 2, fill = (u8)c * 0x01010101u;
	asm volatile("cld; rep stosl; mov %3, %%ecx; rep stosb"
		: "+D"(d), "+c"(words) : "a"(fill), "g"(n & 3) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, u32 n)
{
	const u8 *p = a, *q = b;
	for (; n; n--, p++, q++)
		if (*p != *q) return *p - *q;
	return 0;
}

u32 strlen(const char *s)
{
	u32 n = 0;
	while (s[n]) n++;
	return n;
}

int strncmp(const char *a, const char *b, u32 n)
{
	for (; n && *a && *a == *b; n--) a++, b++;
	return n ? (u8)*a - (u8)*b : 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, ~0u); }

u32 atoi(const char *s)
{
	u32 n = 0;
	while (*s >= '0' && *s <= '9') n = n * 10 + (*s++ - '0');
	return n;
}

int vformat(char *buf, u32 size, const char *fmt, va_list ap)
{
	u32 at = 0;
#define PUT(c) do { if (at + 1 < size) buf[at++] = (c); } while (0)
	for (; *fmt; fmt++) {
		char digits[12], pad = ' ';
		u32 width = 0, n = 0, v, base = 10;
		int minus = 0;
		if (*fmt != '%') { PUT(*fmt); continue; }
		if (*++fmt == '0') pad = '0';
		while (*fmt >= '0' && *fmt <= '9') width = width * 10 + (*fmt++ - '0');
		switch (*fmt) {
		case 's': {
			const char *s = va_arg(ap, const char *);
			while (*s) PUT(*s++);
			continue;
		}
		case 'c': PUT(va_arg(ap, int)); continue;
		case 'x': base = 16; v = va_arg(ap, u32); break;
		case 'u': v = va_arg(ap, u32); break;
		case 'd':
			v = va_arg(ap, u32);
			if ((int)v < 0) { minus = 1; v = -v; }
			break;
		default: PUT(*fmt); continue;
		}
		do digits[n++] = "0123456789abcdef"[v % base]; while (v /= base);
		if (minus) PUT('-');
		while (width > n) { PUT(pad); width--; }
		while (n) PUT(digits[--n]);
	}
	if (size) buf[at] = 0;
	return at;
}

int format(char *buf, u32 size, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vformat(buf, size, fmt, ap);
	va_end(ap);
	return n;
}
