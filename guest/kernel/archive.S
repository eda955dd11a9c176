/* The programs and libraries, whole files, each beginning on a page: they are mapped as they lie. */
.macro file path, name
	.section .rodata.archive
9:	.asciz "\path"
	.skip 24 - (. - 9b)
	.long 7f, 8f
	.section .rodata.programs
	.balign 4096
7:	.incbin "\name"
8:
.endm
	.section .rodata.archive, "a"
	.globl archive
	.balign 16
archive:
	.section .rodata.programs, "a"
	file "bin/init", "init"
	file "bin/true", "true"
	file "bin/cc", "cc"
	file "bin/ld", "ld"
	file "bin/selftest", "selftest"
	file "bin/hello", "hello"
	file "bin/sh", "sh"
	file "bin/lat_proc", "lat_proc"
	file "bin/gcc", "gcc"
	file "bin/cc1", "cc1"
	file "bin/as", "as"
	file "lib/ld.so", "ld.so"
	file "lib/libc.so", "libc.so"
	file "etc/ld.so.cache", "ld.so.cache"
	.balign 4096
	.section .rodata.archive
	.zero 32
	.section .note.GNU-stack, "", @progbits
