/* The shell's built-in commands. */
#include "shell.h"

static int do_exit(char **argv) { exit(argv[1] ? strtol(argv[1], NULL) : last_status); }
static int do_true(char **argv) { return 0; }
static int do_false(char **argv) { return 1; }
static int do_echo(char **argv)
{
	int newline = !argv[1] || strcmp(argv[1], "-n");
	for (u32 i = newline ? 1 : 2, first = i; argv[i]; i++) printf("%s%s", i > first ? " " : "", argv[i]);
	return (newline ? printf("\n") : 0) < 0;
}

static int do_export(char **argv)
{
	for (u32 i = 1; argv[i]; i++) {
		char *equals = strchr(argv[i], '=');
		if (equals) *equals = 0;
		assign(argv[i], equals ? equals + 1 : value_of(argv[i]), 1);
	}
	return 0;
}

static void show(struct variable *v, void *arg)
{
	if (!arg || v->exported) printf("%s=%s\n", v->name, v->value);
}

static int do_set(char **argv) { each_variable(show, NULL); return 0; }
static int do_env(char **argv) { each_variable(show, argv); return 0; }
static int do_unset(char **argv)
{
	int bad = 0;
	for (u32 i = 1; argv[i]; i++) bad |= unset(argv[i]);
	return bad;
}

static int do_eval(char **argv)
{
	char line[512];
	u32 at = line[0] = 0;
	for (u32 i = 1; argv[i] && at < sizeof line; i++) at += format(line + at, sizeof line - at, "%s ", argv[i]);
	run_line(line, 0);
	return last_status;
}

static int do_source(char **argv) { return argv[1] ? run_file(argv[1]) : 2; }
static int do_exec(char **argv)
{
	if (!argv[1]) return 0;
	environ = exported();
	return execvp(argv[1], argv + 1) ? 127 : 0;
}

static int do_kill(char **argv)
{
	int sig = argv[1] && *argv[1] == '-' ? strtol(argv[1] + 1, NULL) : SIGTERM, bad = 0;
	for (u32 i = argv[1] && *argv[1] == '-' ? 2 : 1; argv[i]; i++) bad |= kill(strtol(argv[i], NULL), sig) != 0;
	return bad;
}

static int do_wait(char **argv)
{
	int status = 0;
	while (wait(&status) >= 0) {}
	return status;
}

static int do_type(char **argv)
{
	for (u32 i = 1; argv[i]; i++) printf(builtin(argv[i]) ? "%s is a shell builtin\n" : "%s is a file\n", argv[i]);
	return 0;
}

static int do_read(char **argv)
{
	char line[256], c;
	u32 n = 0;
	while (read(0, &c, 1) == 1 && c != '\n')
		if (n + 1 < sizeof line) line[n++] = c;
	line[n] = 0;
	assign(argv[1] ? argv[1] : "REPLY", line, 0);
	return n == 0;
}

/* test: one operator, or a string that is not empty. */
static int do_test(char **argv)
{
	struct stat st;
	u32 n = 1;
	while (argv[n] && strcmp(argv[n], "]")) n++;
	if (n == 2) return !*argv[1];
	if (n == 3 && argv[1][0] == '-') {
		if (argv[1][1] == 'n' || argv[1][1] == 'z') return (*argv[2] != 0) != (argv[1][1] == 'n');
		if (stat(argv[2], &st)) return 1;
		return argv[1][1] == 'd' ? (st.mode & 0170000) != 0040000 : argv[1][1] == 'f' ? (st.mode & 0170000) != 0100000 : argv[1][1] == 's' ? !st.size : 0;
	}
	if (n != 4) return 1;
	int a = strtol(argv[1], NULL), b = strtol(argv[3], NULL);
	if (!strcmp(argv[2], "=")) return strcmp(argv[1], argv[3]) != 0;
	if (!strcmp(argv[2], "!=")) return !strcmp(argv[1], argv[3]);
	if (!strcmp(argv[2], "-eq")) return a != b;
	if (!strcmp(argv[2], "-lt")) return a >= b;
	return strcmp(argv[2], "-gt") || a <= b;
}

static struct builtin builtins[] APART = {
	{ "exit", do_exit }, { "true", do_true }, { ":", do_true }, { "false", do_false }, { "echo", do_echo }, { "export", do_export }, { "set", do_set },
	{ "env", do_env }, { "unset", do_unset }, { "eval", do_eval }, { ".", do_source }, { "source", do_source }, { "exec", do_exec }, { "kill", do_kill },
	{ "wait", do_wait }, { "type", do_type }, { "read", do_read }, { "test", do_test }, { "[", do_test },
};

static int by_name(const void *a, const void *b) { return strcmp(((const struct builtin *)a)->name, ((const struct builtin *)b)->name); }
void sort_builtins(void) { qsort(builtins, countof(builtins), sizeof builtins[0], by_name); }

struct builtin *builtin(const char *name)
{
	struct builtin key = { name };
	return bsearch(&key, builtins, countof(builtins), sizeof key, by_name);
}
