/* Ways into the kernel and out of it. The registers end up as struct regs of lib/abi.h. */
#include "../../lib/layout.h"
#define KERNEL_DS 0x10

.macro SAVE
	push %es
	push %ds
	push %eax
	push %ebp
	push %edi
	push %esi
	push %edx
	push %ecx
	push %ebx
	mov $KERNEL_DS, %edx
	mov %edx, %ds
	mov %edx, %es
	cld
.endm

	.text
	.globl syscall_entry, ret_from_fork, switch_stacks, trap_entries, irq_entries
syscall_entry:                                /* a trap gate: interrupts stay on */
	push $0
	push $0x80
	SAVE
	push %esp
	call syscall
	add $4, %esp
ret_from_fork:
leave:
	cli                                   /* nothing may become due between the test and iret */
	mov REGS_CS(%esp), %eax
	and $3, %al
	cmp $3, %al
	jne 2f
	mov current, %eax
	mov PROC_BLOCKED(%eax), %ecx
	not %ecx
	and PROC_PENDING(%eax), %ecx
	or need_resched, %ecx
	jnz 1f
2:	pop %ebx
	pop %ecx
	pop %edx
	pop %esi
	pop %edi
	pop %ebp
	pop %eax
	pop %ds
	pop %es
	add $8, %esp
	iret
1:	sti
	push %esp
	call work
	add $4, %esp
	jmp leave

	/* 32 exceptions; those without an error code push a 0. */
	.balign 16
trap_entries:
	.set i, 0
	.rept 32
	.balign 16
	.if !((0x00027D00 >> i) & 1)
	push $0
	.endif
	push $i
	jmp trap_common
	.set i, i + 1
	.endr
trap_common:                                  /* interrupt gates: off until trap() has read CR2 */
	SAVE
	push %esp
	call trap
	add $4, %esp
	jmp leave

	.balign 16
irq_entries:
	.set i, 0
	.rept 16
	.balign 16
	push $0
	push $i
	jmp irq_common
	.set i, i + 1
	.endr
irq_common:
	SAVE
	push %esp
	call irq
	add $4, %esp
	jmp leave

	/* void switch_stacks(struct proc *prev, struct proc *next); ksp is the first member */
switch_stacks:
	mov 4(%esp), %eax
	mov 8(%esp), %edx
	push %ebp
	push %edi
	push %esi
	push %ebx
	mov %esp, (%eax)
	mov (%edx), %esp
	pop %ebx
	pop %esi
	pop %edi
	pop %ebp
	ret
	.section .note.GNU-stack, "", @progbits
