/* The link step: ld OUTPUT OBJECT... relocates the objects' words by where they land and writes them out. */
#include "user.h"

static u32 words[4096];

int main(int argc, char **argv, char **envp)
{
	int out = argc > 1 ? create(argv[1]) : -1;
	u32 at = 0, count;
	if (out < 0) return 1;
	for (int i = 2; i < argc; i++) {
		int fd = open(argv[i], 0);
		if (fd < 0 || read(fd, &count, 4) != 4 || count > countof(words)) return 2;
		if (read(fd, words, count * 4) != (int)count * 4) return 3;
		close(fd);
		for (u32 k = 0; k < count; k++) words[k] += at + 4 * k;
		at += count * 4;
		if (write(out, words, count * 4) != (int)count * 4) return 4;
	}
	return close(out) ? 5 : 0;
}
