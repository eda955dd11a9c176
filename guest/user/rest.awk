# The part of a C library's interface that our programs never call, as assembly: what the loader meets of it is names, versions,
# pointers to relocate and references to bind. The numbers are those of glibc (README.md).
function pick(list, n) { seed = (seed * 1103515 + 12345) % 16777216; return list[int(seed / 4096) % n + 1] }
BEGIN {
	names = 1930; pointers = 1140; references = 70; seed = 7
	n = split("ge pu se wr re lo ma fo str mem wc io ne si pt in", start, " ")
	m = split("ta ri no ck el at er op in ad us em po la xy um", middle, " ")
	e = split("t d r n s l k _r 64 f v cpy len chr", end, " ")
	print "\t.section .text.rest, \"ax\"\n\t.balign 4096"
	while (count < names) {
		name = pick(start, n)
		for (k = int(seed / 8192) % 3 + 2; k > 0; k--) name = name pick(middle, m)
		name = name pick(end, e)
		if (name in taken) continue
		taken[name] = 1
		name_of[++count] = name
		print "\t.globl " name "\n\t.type " name ", @function\n" name ":\tret\n\t.balign 4"
	}
	print "\t.section .data.rest, \"aw\"\n\t.balign 4"
	for (i = 1; i <= pointers; i++) print "\t.long .text.rest + " (i * 4)
	for (i = 1; i <= references; i++) print "\t.long " name_of[i * 27]
	print "\t.section .note.GNU-stack, \"\", @progbits"
}
