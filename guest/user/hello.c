/* What lmbench starts: a program that says hello through its C library. */
#include "libc.h"
int main(int argc, char **argv, char **envp) { return puts("Hello world"); }
