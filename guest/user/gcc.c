/* The compiler's driver: starts the compiler proper, then the assembler, and takes the file between them away. usage: gcc SOURCE OBJECT */
#include "libc.h"

static int run(char *program, char *a, char *b)
{
	int status = -1, pid = fork();
	if (!pid) {
		execvp(program, (char *[]){ program, a, b, NULL });
		_exit(127);
	}
	return pid < 0 || wait(&status) != pid ? 1 : status;
}

int main(int argc, char **argv, char **envp)
{
	char between[40];
	if (argc != 3) return 2;
	format(between, sizeof between, "/tmp/cc%u.s", getpid());
	mkdir("/tmp");
	int status = run("cc1", argv[1], between);
	if (!status) status = run("as", between, argv[2]);
	unlink(between);
	return status;
}
