/* What the parts of the shell know of each other: variables (shellvar.c), built-in commands (builtin.c), lines and programs (sh.c). */
#ifndef SHELL_H
#define SHELL_H
#include "libc.h"

#define APART __attribute__((aligned(4096)))
struct variable { char *name, *value; int exported; struct variable *chain; };
struct variable *variable(const char *name, int make);
const char *value_of(const char *name);       /* empty where there is none */
void assign(const char *name, const char *value, int exported), assign_number(const char *name, int value);
int unset(const char *name);
void each_variable(void (*f)(struct variable *v, void *arg), void *arg);
char **exported(void);
void import(char **envp), initialize_variables(const char *shell);

struct builtin { const char *name; int (*run)(char **argv); };
void sort_builtins(void);
struct builtin *builtin(const char *name);

extern int last_status;
int run_line(const char *line, int last);     /* last: nothing is to be done after it */
int run_file(const char *path);
#endif
