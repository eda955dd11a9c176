	.text
	.globl _start, sigreturn
_start:	mov (%esp), %eax                      /* argc; then argv, 0, the environment, 0 */
	lea 4(%esp), %edx
	lea 4(%edx,%eax,4), %ecx
	push %ecx
	push %edx
	push %eax
	call main
	mov %eax, %ebx
	mov $1, %eax
	int $0x80
sigreturn:
	mov $119, %eax
	int $0x80
	.section .note.GNU-stack, "", @progbits
