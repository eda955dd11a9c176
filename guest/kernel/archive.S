/* The programs, whole ELF files, at 16-byte boundaries. */
.macro program name
	.section .rodata.archive
9:	.asciz "\name"
	.skip 24 - (. - 9b)
	.long \name\()_start, \name\()_end
	.section .rodata.programs
	.balign 16
\name\()_start: .incbin "\name"
\name\()_end:
.endm
	.section .rodata.archive, "a"
	.globl archive
	.balign 16
archive:
	.section .rodata.programs, "a"
	program init
	program true
	program cc
	program ld
	program selftest
	.section .rodata.archive
	.zero 32
	.section .note.GNU-stack, "", @progbits
