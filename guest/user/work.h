/* What the workloads share: the clock that a value is read from, and how a workload fails. */
#ifndef WORK_H
#define WORK_H
#include "user.h"

#define PAGE 4096
#define FRESH(len) mmap(len, PROT_READ | PROT_WRITE, -1, 0)
extern u64 started, elapsed;
extern u32 ops;                               /* what elapsed is divided by */
static inline void start(void) { started = rdtsc(); }
static inline void stop(u32 n) { elapsed = rdtsc() - started; ops = n; }

void fail(const char *what) __attribute__((noreturn));
#define must(x) do { if (!(x)) fail(#x); } while (0)

static inline u32 popcount(u32 v)
{
	v -= v >> 1 & 0x55555555;
	v = (v & 0x33333333) + (v >> 2 & 0x33333333);
	return ((v + (v >> 4)) & 0x0F0F0F0F) * 0x01010101 >> 24;
}

struct workload { const char *name; u32 (*run)(u32 n); u32 count; };
extern const struct workload lmbench_workloads[], network_workloads[], specint_workloads[], make_workloads[],
	database_workloads[], file_workloads[], web_workloads[];
#endif
