/* The assembler of the build: lines to words, names to addresses. usage: as ASSEMBLER OBJECT */
#include "libc.h"

int main(int argc, char **argv, char **envp)
{
	static u32 code[8192];
	char line[128];
	u32 count = 0;
	struct stream *s = argc == 3 ? fopen(argv[1], "r") : NULL;
	if (!s) return 1;
	while (fgets(line, sizeof line, s)) {
		u32 h = HASH_START;
		if (line[0] == '#') continue;
		for (char *p = line; *p; p++)
			if (!isspace(*p)) h = hash(h, tolower(*p));
		if (count < countof(code)) code[count++] = h;
	}
	fclose(s);
	int fd = create(argv[2]);
	if (fd < 0 || write(fd, &count, 4) != 4 || write(fd, code, count * 4) != (int)count * 4) return 2;
	return close(fd);
}
