/* Offsets the assembly needs; kernel/main.c asserts that C agrees. */
#define REGS_CS 48
#define PROC_PENDING 40
#define PROC_BLOCKED 44
