/* Multiboot entry: paging on, up to the higher half, into C. */
#define MAGIC 0x1BADB002
#define FLAGS 0x00000002                      /* memory size wanted */
#define PHYS(x) ((x) - 0xC0000000)
	.section .multiboot, "a"
	.balign 4
	.long MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
	.globl start
start:
	cld
	cli
	mov %eax, %ebp                        /* the loader's magic; %ebx: its information */
	/* The first 8 MB, at 0 (for these few instructions) and at 0xC0000000. */
	mov $PHYS(boot_tables), %edi
	mov $0x003, %eax
	mov $2048, %ecx
1:	stosl
	add $0x1000, %eax
	loop 1b
	mov $PHYS(boot_directory), %edi
	movl $PHYS(boot_tables) + 3, 0(%edi)
	movl $PHYS(boot_tables) + 0x1003, 4(%edi)
	movl $PHYS(boot_tables) + 3, 3072(%edi)
	movl $PHYS(boot_tables) + 0x1003, 3076(%edi)
	mov %edi, %cr3
	mov %cr0, %eax
	or $0x80010000, %eax                  /* PG, and WP: the kernel too respects read-only pages */
	mov %eax, %cr0
	mov $2f, %eax
	jmp *%eax
2:	mov $boot_stack + 4096, %esp
	push $0
	popf
	push %ebx
	push %ebp
	call bare_main

	.section .bss
	.balign 4096
	.globl boot_directory, boot_stack
boot_directory: .skip 4096
boot_tables: .skip 8192
boot_stack: .skip 4096                        /* later that of the idle loop */
	.section .note.GNU-stack, "", @progbits
