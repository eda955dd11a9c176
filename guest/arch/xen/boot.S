/* What the domain builder reads, the page it fills with hypercalls, and the entry point. */
	.section .hypercall, "ax"
	.globl hypercall_page, start
hypercall_page:
	.skip 4096                            /* linked first, at the virtual base: see link.ld */
start:                                        /* 0xC0001000: ring 1, paging on, events masked, %esi = start_info */
	cld
	mov %esp, %eax
	mov $boot_stack + 4096, %esp
	push %eax                             /* the bootstrap stack is the builder's last page */
	push %esi
	call xen_main

.macro note type, value:vararg
	.long 4, 8f - 7f, \type
	.asciz "Xen"
7:	\value
8:	.balign 4
.endm
	.section .note.Xen, "a", @note
	note 6, .asciz "trivisor-guest"       /* GUEST_OS */
	note 5, .asciz "xen-3.0"              /* XEN_VERSION */
	note 3, .long 0xC0000000              /* VIRT_BASE */
	note 4, .long 0                       /* PADDR_OFFSET: the program headers' physical addresses start at 0 */
	note 1, .long start                   /* ENTRY */
	note 2, .long hypercall_page          /* HYPERCALL_PAGE */
	note 9, .asciz "yes"                  /* PAE_MODE */
	note 10, .asciz ""                    /* FEATURES: none needed, none assumed */
	note 8, .asciz "generic"              /* LOADER */

	/* The same for builders older than the notes; HYPERCALL_PAGE counts pages from VIRT_BASE. */
	.section __xen_guest, "a", @progbits
	.ascii "GUEST_OS=trivisor-guest,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,ELF_PADDR_OFFSET=0x0"
	.ascii ",VIRT_ENTRY=0xC0001000,HYPERCALL_PAGE=0x0,PAE=yes,LOADER=generic"
	.byte 0

	.section .bss
	.balign 4096
	.globl boot_stack, shared_info, grant_table, gdt
boot_stack: .skip 4096                        /* later that of the idle loop */
shared_info: .skip 4096                       /* the next two: only their addresses are used, other frames get mapped here */
grant_table: .skip 8192
gdt: .skip 4096
	.section .note.GNU-stack, "", @progbits
