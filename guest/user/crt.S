	/* Where a program that shares libc.so begins, once the loader has done its work. */
	.text
	.globl _start
_start:	pop %eax                              /* argc; then argv, 0, the environment, 0 */
	mov %esp, %edx
	lea 4(%edx,%eax,4), %ecx
	and $-16, %esp
	push %ecx
	push %edx
	push %eax
	push $main
	call libc_start
	.section .note.GNU-stack, "", @progbits
