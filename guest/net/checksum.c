#include "net.h"

/* The tail of both loops: less than 32 bytes are left. */
static inline u32 add(u32 sum, u32 v) { asm("add %1, %0; adc $0, %0" : "+r"(sum) : "g"(v) : "cc"); return sum; }

u32 sum_of(const void *p, u32 n, u32 sum)
{
	const u8 *s = p;
	u32 turns = n / 32;
	if (turns)
		asm volatile("clc\n"
			"1:	adc 0(%1), %0; adc 4(%1), %0; adc 8(%1), %0; adc 12(%1), %0\n"
			"	adc 16(%1), %0; adc 20(%1), %0; adc 24(%1), %0; adc 28(%1), %0\n"
			"	lea 32(%1), %1; dec %2; jnz 1b; adc $0, %0" : "+r"(sum), "+r"(s), "+r"(turns) : : "memory", "cc");
	for (n &= 31; n >= 4; n -= 4, s += 4) sum = add(sum, *(const u32 *)s);
	if (n & 2) { sum = add(sum, *(const u16 *)s); s += 2; }
	if (n & 1) sum = add(sum, *s);
	return sum;
}

u32 sum_and_copy(void *to, const void *from, u32 n, u32 sum)
{
	const u8 *s = from;
	u8 *d = to;
	u32 turns = n / 32, v;
	if (turns)
		asm volatile("clc\n"
			"1:	mov 0(%1), %4; adc %4, %0; mov %4, 0(%2); mov 4(%1), %4; adc %4, %0; mov %4, 4(%2)\n"
			"	mov 8(%1), %4; adc %4, %0; mov %4, 8(%2); mov 12(%1), %4; adc %4, %0; mov %4, 12(%2)\n"
			"	mov 16(%1), %4; adc %4, %0; mov %4, 16(%2); mov 20(%1), %4; adc %4, %0; mov %4, 20(%2)\n"
			"	mov 24(%1), %4; adc %4, %0; mov %4, 24(%2); mov 28(%1), %4; adc %4, %0; mov %4, 28(%2)\n"
			"	lea 32(%1), %1; lea 32(%2), %2; dec %3; jnz 1b; adc $0, %0"
			: "+r"(sum), "+r"(s), "+r"(d), "+r"(turns), "=&r"(v) : : "memory", "cc");
	for (n &= 31; n >= 4; n -= 4, s += 4, d += 4) sum = add(sum, *(u32 *)d = *(const u32 *)s);
	if (n & 2) { sum = add(sum, *(u16 *)d = *(const u16 *)s); s += 2; d += 2; }
	if (n & 1) sum = add(sum, *d = *s);
	return sum;
}
