/* A compiler's shape without a language: reads a source file, makes tokens and a symbol table, "optimises" them
 * a few times over, writes an object file. usage: cc SOURCE OBJECT */
#include "user.h"

static char source[8192];
static struct symbol { u32 hash, uses, value; } symbols[2048];
static u32 code[4096];

static struct symbol *symbol(u32 h)
{
	u32 i = h % countof(symbols);
	while (symbols[i].uses && symbols[i].hash != h) i = (i + 1) % countof(symbols);
	symbols[i].hash = h;
	symbols[i].uses++;
	return &symbols[i];
}

int main(int argc, char **argv, char **envp)
{
	int fd = argc == 3 ? open(argv[1], 0) : -1, n = 0, got;
	if (fd < 0) return 1;
	while ((got = read(fd, source + n, 1024)) > 0) n += got;
	close(fd);
	u32 count = 0, h = 0;
	for (int i = 0; i < n; i++) {
		char c = source[i];
		if (c > ' ') { h = h * 31 + c; continue; }
		if (!h || count == countof(code)) continue;
		struct symbol *s = symbol(h);
		s->value += count;
		code[count++] = h;
		h = 0;
	}
	for (int pass = 0; pass < 4; pass++)
		for (u32 i = 1; i < count; i++)
			code[i] = hash(code[i], code[i - 1] + (code[i] & 15 ? symbols[code[i] % countof(symbols)].uses : pass));
	fd = create(argv[2]);
	if (fd < 0) return 2;
	if (write(fd, &count, 4) != 4 || write(fd, code, count * 4) != (int)count * 4) return 3;
	close(fd);
	return 0;
}
