/* Offsets the assembly needs; kernel/main.c asserts that C agrees. */
#define REGS_CS 48
#define PROC_PENDING 44
#define PROC_BLOCKED 48
