/*
 * Runs single instructions on the processor at hand and reports what they did.
 *
 * Reads `struct machine` records with code from standard input, and writes one for each: the state after the
 * instruction, or at its fault. Layout and meaning are those of state.ts. The code is put in a page of INT3s, so that
 * wherever it goes next stops it; every end is a signal, whose frame has all registers.
 *
 * Build: gcc -m32 -O1 -no-pie -fno-pie -o record record.c
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define DATA_PAGE 0x10000000u
#define CODE_PAGE 0x20000000u
#define PAGE 4096u
#define WINDOW 1024u
#define ENTRY 0x800u
#define CODE_BYTES 32u

struct machine {
	uint32_t reg[8];
	uint32_t eflags, eip;
	uint32_t vector, error, cr2;
	uint32_t pad[3];
	uint8_t fx[512];
	uint8_t memory[WINDOW];
};

struct request {
	struct machine in;
	uint32_t code_length;
	uint8_t code[CODE_BYTES];
	uint32_t pad[3];
} __attribute__((packed));

_Static_assert(sizeof(struct machine) == 1600, "state.ts has the same layout");

struct machine in __attribute__((aligned(16)));
static struct machine out;
uint32_t saved_esp, entry = CODE_PAGE + ENTRY;
static const uint32_t default_mxcsr = 0x1f80;

/* Loads all of `in` and jumps to the code; `resume` is where the signal handler returns to. */
__asm__(
	".text\n"
	".globl run_case, resume\n"
	"run_case:\n"
	"	pushal\n"
	"	pushfl\n"
	"	movl %esp, saved_esp\n"
	"	fxrstor in+64\n"
	"	pushl in+32\n"
	"	popfl\n"
	"	movl in+0, %eax\n"
	"	movl in+4, %ecx\n"
	"	movl in+8, %edx\n"
	"	movl in+12, %ebx\n"
	"	movl in+20, %ebp\n"
	"	movl in+24, %esi\n"
	"	movl in+28, %edi\n"
	"	movl in+16, %esp\n"
	"	jmp *entry\n"
	"resume:\n"
	"	movl saved_esp, %esp\n"
	"	popfl\n"
	"	popal\n"
	"	ret\n");
extern void run_case(void);
extern void resume(void);

static void stopped(int signal, siginfo_t *info, void *context)
{
	static const int order[8] = { REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI };
	ucontext_t *uc = context;
	greg_t *g = uc->uc_mcontext.gregs;
	(void)signal;
	(void)info;
	for (int i = 0; i < 8; i++)
		out.reg[i] = g[order[i]];
	out.eflags = g[REG_EFL];
	out.eip = g[REG_EIP];
	out.vector = g[REG_TRAPNO];
	out.error = g[REG_ERR];
	out.cr2 = out.vector == 14 ? uc->uc_mcontext.cr2 : 0;
	/* The frame has a 112-byte FSAVE image and, behind it, the FXSAVE image. */
	memcpy(out.fx, (uint8_t *)uc->uc_mcontext.fpregs + 112, 512);
	g[REG_EIP] = (greg_t)(uintptr_t)resume;
	g[REG_EFL] = 0x202;
}

static void *page_at(uint32_t address, int protection)
{
	void *p = mmap((void *)(uintptr_t)address, PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (p != (void *)(uintptr_t)address) {
		perror("mmap");
		exit(1);
	}
	return p;
}

int main(void)
{
	static uint8_t alternate[65536];
	static const int signals[] = { SIGTRAP, SIGFPE, SIGSEGV, SIGILL, SIGBUS };
	uint8_t *data = page_at(DATA_PAGE, PROT_READ | PROT_WRITE);
	uint8_t *code = page_at(CODE_PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof alternate };
	struct sigaction action = { .sa_sigaction = stopped, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct request request;

	sigaltstack(&stack, NULL);
	for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
	memset(code, 0xcc, PAGE);
	while (fread(&request, sizeof request, 1, stdin) == 1) {
		if (request.code_length > CODE_BYTES)
			return 1;
		in = request.in;
		memset(&out, 0, sizeof out);
		memset(data, 0, PAGE);
		memcpy(data + PAGE - WINDOW, in.memory, WINDOW);
		memcpy(code + ENTRY, request.code, request.code_length);
		run_case();
		__asm__ volatile("fninit; ldmxcsr %0" : : "m"(default_mxcsr));
		memset(code + ENTRY, 0xcc, request.code_length);
		memcpy(out.memory, data + PAGE - WINDOW, WINDOW);
		if (fwrite(&out, sizeof out, 1, stdout) != 1)
			return 1;
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
