/* The compiler proper of the build: reads a source and a header, makes tokens, trees and a table of names, works over the trees as
 * optimisers do, and prints assembler. The language is any text; the amounts are what matters. usage: cc1 SOURCE ASSEMBLER */
#include "libc.h"

struct tree { u32 code, value; struct tree *left, *right, *chain; };
struct name { struct name *chain; u32 hash, uses; struct tree *tree; char text[]; };
static struct name *names[1024];
static struct tree *statements, **last = &statements;
static u32 count;

static struct name *intern(const char *text, u32 n)
{
	u32 h = HASH_START;
	for (u32 i = 0; i < n; i++) h = hash(h, text[i]);
	struct name **at = &names[h % countof(names)], *s;
	for (s = *at; s; s = s->chain)
		if (s->hash == h && !strncmp(s->text, text, n) && !s->text[n]) break;
	if (!s) {
		s = calloc(1, sizeof *s + n + 1);
		memcpy(s->text, text, n);
		s->hash = h;
		s->chain = *at;
		*at = s;
	}
	s->uses++;
	return s;
}

static struct tree *tree(u32 code, u32 value, struct tree *left, struct tree *right)
{
	struct tree *t = malloc(sizeof *t);
	*t = (struct tree){ code, value, left, right, NULL };
	count++;
	return t;
}

static void parse(const char *path, int keep)
{
	struct stream *s = fopen(path, "r");
	char word[64];
	u32 n = 0;
	struct tree *current = NULL;
	if (!s) exit(1);
	for (int c; (c = getc(s)) >= 0;) {
		if (isalpha(c) || isdigit(c)) { if (n < sizeof word) word[n++] = c; continue; }
		if (n) {
			struct name *name = intern(word, n);
			current = tree(name->hash & 7, name->hash, current, name->tree);
			if (!name->tree || name->uses % 4 == 0) name->tree = current;
			n = 0;
		}
		if (c == '\n' && current) {
			if (keep) {
				*last = current;
				last = &current->chain;
			}
			current = NULL;
		}
	}
	fclose(s);
}

/* One pass over a tree: values fold upwards, a node whose sides agree is replaced. Shared parts are visited to a depth. */
static u32 fold(struct tree *t, u32 depth)
{
	if (!t) return 1;
	if (!depth) return t->value;
	u32 a = fold(t->left, depth - 1), b = fold(t->right, depth > 3 ? 3 : depth - 1);
	switch (t->code) {
	case 0: return t->value = a + b;
	case 1: return t->value = a - b;
	case 2: return t->value = a * b;
	case 3: return t->value = a ^ b;
	case 4: return t->value = a & b;
	case 5: return t->value = a | b;
	case 6: return t->value = a << (b & 7);
	default: return t->value = a == b ? a : a + (b >> 1);
	}
}

/* Registers by colouring: a value interferes with the ones near it. */
static u32 colour(u32 n)
{
	u8 *colours = calloc(n, 1);
	u32 spilled = 0;
	struct tree *t = statements;
	for (u32 i = 0; i < n && t; i++, t = t->chain) {
		u32 taken = 0;
		for (u32 k = i > 40 ? i - 40 : 0; k < i; k++)
			if ((t->value >> (i - k) % 29 & 3) == 1) taken |= 1u << colours[k];
		while (taken & 1u << colours[i] && colours[i] < 7) colours[i]++;
		spilled += colours[i] == 7;
	}
	free(colours);
	return spilled;
}

int main(int argc, char **argv, char **envp)
{
	u32 n = 0, spilled = 0;
	if (argc != 3) return 2;
	parse("/build/defs.h", 0);
	parse(argv[1], 1);
	for (struct tree *t = statements; t; t = t->chain) n++;
	for (u32 pass = 0; pass < 10; pass++) {
		for (struct tree *t = statements; t; t = t->chain) fold(t, 12);
		spilled += colour(n);
	}
	struct stream *s = fopen(argv[2], "w");
	if (!s) return 3;
	fprintf(s, "# %u trees, %u spilled\n", count, spilled);
	for (struct tree *t = statements; t; t = t->chain) {
		u32 k = 0;
		for (struct tree *e = t; e && k < 6; e = e->left, k++) fprintf(s, "\top%u r%u %x\n", e->code, k, e->value);
	}
	return fclose(s) ? 4 : 0;
}
