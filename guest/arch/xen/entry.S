/* Ways into the kernel and out of it. Xen stacks what the processor would, so struct regs is that of the bare port. */
#include "xen.h"
#include "../../lib/layout.h"
#define UPCALL_PENDING shared_info
#define UPCALL_MASK shared_info + 1

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
	mov $FLAT_RING1_DS, %edx
	mov %edx, %ds
	mov %edx, %es
	cld
.endm

.macro RESTORE
	pop %ebx
	pop %ecx
	pop %edx
	pop %esi
	pop %edi
	pop %ebp
	pop %eax
	pop %ds
	pop %es
	add $8, %esp
.endm

	.text
	.globl syscall_entry, ret_from_fork, switch_stacks, trap_entries, event_entry, failsafe_entry
syscall_entry:                                /* straight from the program, Xen does not see it */
	push $0
	push $0x80
	SAVE
	push %esp
	call syscall
	add $4, %esp
ret_from_fork:
leave:
	movb $1, UPCALL_MASK
	mov REGS_CS(%esp), %eax
	and $3, %al
	cmp $3, %al
	jne to_kernel
	mov current, %eax
	mov PROC_BLOCKED(%eax), %ecx
	not %ecx
	and PROC_PENDING(%eax), %ecx
	or need_resched, %ecx
	jnz 1f
	/* To a program without asking Xen: ring 1 may iret to ring 3 itself, but the mask has to go first. An event that
	 * came before that is taken here; one that comes after it finds a whole frame, and returns to wherever in here. */
	movb $0, UPCALL_MASK
	cmpb $0, UPCALL_PENDING
	jne 2f
	RESTORE
	iret
1:	call events_on
	push %esp
	call work
	add $4, %esp
	jmp leave
2:	movb $1, UPCALL_MASK
	push %esp
	call event_upcall
	add $4, %esp
	jmp leave
to_kernel:                                    /* the mask as the frame's IF says, and the jump, in one step */
	RESTORE
	jmp hypercall_page + HC_iret * 32

	/* 20 exceptions; those without an error code push a 0. */
	.balign 16
trap_entries:
	.set i, 0
	.rept 20
	.balign 16
	.if !((0x00027D00 >> i) & 1)
	push $0
	.endif
	push $i
	jmp trap_common
	.set i, i + 1
	.endr
trap_common:                                  /* events masked until trap() has read the fault's address */
	SAVE
	push %esp
	call trap
	add $4, %esp
	jmp leave

event_entry:                                  /* Xen has set the mask */
	push $0
	push $0x100
	SAVE
	push %esp
	call event_upcall
	add $4, %esp
	jmp leave

failsafe_entry:                               /* a segment or iret of ours was bad; nothing of ours can cause that */
	mov $FLAT_RING1_DS, %eax
	mov %eax, %ds
	mov %eax, %es
	call failsafe

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
