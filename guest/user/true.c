/* The smallest program: what forkexec starts. */
#include "user.h"
int main(int argc, char **argv, char **envp) { return argc; }
