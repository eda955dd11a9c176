/* The shell's variables: those of the environment are exported to what is started. */
#include "shell.h"

static struct variable *variables[64] APART;

struct variable *variable(const char *name, int make)
{
	u32 h = HASH_START;
	for (const char *p = name; *p; p++) h = hash(h, *p);
	struct variable *v = variables[h % countof(variables)];
	while (v && strcmp(v->name, name)) v = v->chain;
	if (v || !make) return v;
	v = calloc(1, sizeof *v);
	v->name = strdup(name);
	v->chain = variables[h % countof(variables)];
	return variables[h % countof(variables)] = v;
}

void assign(const char *name, const char *value, int exported)
{
	struct variable *v = variable(name, 1);
	free(v->value);
	v->value = strdup(value);
	v->exported |= exported;
}

void import(char **envp)
{
	for (; *envp; envp++) {
		char *pair = strdup(*envp), *equals = strchr(pair, '=');
		if (equals) {
			*equals = 0;
			assign(pair, equals + 1, 1);
		}
		free(pair);
	}
}

void assign_number(const char *name, int value)
{
	char text[16];
	format(text, sizeof text, "%d", value);
	assign(name, text, 0);
}

char **exported(void)
{
	u32 n = 0;
	char **list = malloc(sizeof *list);
	for (u32 i = 0; i < countof(variables); i++)
		for (struct variable *v = variables[i]; v; v = v->chain) {
			if (!v->exported) continue;
			list = realloc(list, (n + 2) * sizeof *list);
			list[n] = malloc(strlen(v->name) + strlen(v->value) + 2);
			format(list[n++], ~0u >> 1, "%s=%s", v->name, v->value);
		}
	list[n] = NULL;
	return list;
}

const char *value_of(const char *name)
{
	struct variable *v = variable(name, 0);
	return v && v->value ? v->value : "";
}

int unset(const char *name)
{
	struct variable *v = variable(name, 0);
	if (!v) return 1;
	v->exported = 0;
	free(v->value);
	v->value = strdup("");
	return 0;
}

void each_variable(void (*f)(struct variable *v, void *arg), void *arg)
{
	for (u32 i = 0; i < countof(variables); i++)
		for (struct variable *v = variables[i]; v; v = v->chain) f(v, arg);
}

/* What a Bourne shell of bash's kind sets when it starts, whatever the environment has. */
void initialize_variables(const char *shell)
{
	static const char *const fixed[][2] = { { "BASH_VERSION", "2.05b" }, { "DIRSTACK", "" }, { "GROUPS", "0" }, { "HOSTTYPE", "i686" },
		{ "MACHTYPE", "i686-pc-linux-gnu" }, { "OSTYPE", "linux-gnu" }, { "IFS", " \t\n" }, { "PS4", "+ " }, { "OPTIND", "1" }, { "OPTERR", "1" },
		{ "SHELLOPTS", "braceexpand:hashall:posix" }, { "POSIXLY_CORRECT", "y" }, { "PIPESTATUS", "0" }, { "EUID", "0" }, { "UID", "0" } };
	static const char *const wanted[][2] = { { "PATH", "/usr/local/bin:/bin:/usr/bin" }, { "TERM", "dumb" }, { "HOME", "/" }, { "SHELL", "/bin/sh" },
		{ "HOSTNAME", "localhost" }, { "MAILCHECK", "60" } };
	struct stat root, here;
	for (u32 i = 0; i < countof(fixed); i++) assign(fixed[i][0], fixed[i][1], 0);
	for (u32 i = 0; i < countof(wanted); i++)
		if (!variable(wanted[i][0], 0)) assign(wanted[i][0], wanted[i][1], 0);
	assign("BASH", shell, 0);
	assign_number("PPID", getppid());
	assign_number("$", getpid());
	/* PWD is believed only when it is where we are. */
	if (stat("/", &root) || stat(value_of("PWD"), &here) || here.ino != root.ino) assign("PWD", "/", 1);
	assign_number("SHLVL", strtol(value_of("SHLVL"), NULL) + 1);
	variable("SHLVL", 0)->exported = 1;
	assign("_", shell, 1);
}
