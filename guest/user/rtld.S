	/* The loader's two ways in: from the kernel, with the stack it made; and from a procedure linkage table. */
	.text
	.globl rtld_start, rtld_resolve
	.hidden rtld_resolve, rtld_bind
rtld_start:
	mov %esp, %eax
	push %eax
	call rtld_main                        /* returns the program's entry */
	add $4, %esp
	jmp *%eax
rtld_resolve:                                 /* on the stack: which library, which of its relocations, the caller */
	push %eax
	push %ecx
	push %edx
	push 16(%esp)
	push 16(%esp)
	call rtld_bind
	add $8, %esp
	mov %eax, 16(%esp)                    /* over the relocation: the function is what ret goes to */
	pop %edx
	pop %ecx
	pop %eax
	lea 4(%esp), %esp
	ret
	.section .note.GNU-stack, "", @progbits
