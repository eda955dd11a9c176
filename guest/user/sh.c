/* A shell: sh -c COMMAND, or sh SCRIPT. Words with quotes and variables, pipelines, lists with ; && ||, redirections,
 * a few built-in commands; everything else is looked for along PATH, forked and executed. */
#include "libc.h"

#define APART __attribute__((aligned(4096)))
enum { WORDS = 48 };

/* --- variables: those of the environment are exported to what is started --- */

struct variable { char *name, *value; int exported; struct variable *chain; };
static struct variable *variables[64] APART;
static int last_status;

static struct variable *variable(const char *name, int make)
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

static void assign(const char *name, const char *value, int exported)
{
	struct variable *v = variable(name, 1);
	free(v->value);
	v->value = strdup(value);
	v->exported |= exported;
}

static void import(char **envp)
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

static void assign_number(const char *name, int value)
{
	char text[16];
	format(text, sizeof text, "%d", value);
	assign(name, text, 0);
}

static char **exported(void)
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

/* --- words --- */

struct reader { const char *at; };
enum { END, WORD, OPERATOR };

static char *expand(const char **at, char *to, char *end)
{
	char name[32], number[12];
	u32 n = 0;
	const char *p = *at + 1, *value = "";
	if (*p == '?') {
		format(number, sizeof number, "%d", last_status);
		value = number;
		p++;
	} else {
		while ((isalpha(*p) || isdigit(*p) || *p == '_') && n + 1 < sizeof name) name[n++] = *p++;
		name[n] = 0;
		struct variable *v = n ? variable(name, 0) : NULL;
		if (v) value = v->value;
		else if (!n) value = "$";
	}
	while (*value && to < end) *to++ = *value++;
	*at = p;
	return to;
}

static int next(struct reader *r, char *to, u32 size)
{
	char *end = to + size - 1, quote = 0;
	while (*r->at == ' ' || *r->at == '\t') r->at++;
	if (!*r->at || *r->at == '#') return END;
	if (strchr(";|&<>\n", *r->at)) {
		char c = *to++ = *r->at++;
		if (*r->at == c && strchr("&|>", c)) *to++ = *r->at++;
		*to = 0;
		return OPERATOR;
	}
	for (; *r->at && (quote || (!isspace(*r->at) && !strchr(";|&<>", *r->at)));) {
		char c = *r->at;
		if (quote ? c == quote : c == '"' || c == '\'') { quote = quote ? 0 : c; r->at++; }
		else if (c == '\\' && quote != '\'' && r->at[1]) { if (to < end) *to++ = r->at[1]; r->at += 2; }
		else if (c == '$' && quote != '\'') to = expand(&r->at, to, end);
		else { if (to < end) *to++ = c; r->at++; }
	}
	*to = 0;
	return WORD;
}

/* --- built-in commands --- */

static int do_exit(char **argv) { exit(argv[1] ? strtol(argv[1], NULL) : last_status); }
static int do_true(char **argv) { return 0; }
static int do_false(char **argv) { return 1; }
static int do_echo(char **argv)
{
	for (u32 i = 1; argv[i]; i++) printf("%s%s", i > 1 ? " " : "", argv[i]);
	return printf("\n") < 0;
}

static int do_export(char **argv)
{
	for (u32 i = 1; argv[i]; i++) {
		char *equals = strchr(argv[i], '=');
		if (equals) *equals = 0;
		assign(argv[i], equals ? equals + 1 : variable(argv[i], 1)->value ? variable(argv[i], 1)->value : "", 1);
	}
	return 0;
}

static int do_set(char **argv)
{
	for (u32 i = 0; i < countof(variables); i++)
		for (struct variable *v = variables[i]; v; v = v->chain) printf("%s=%s\n", v->name, v->value);
	return 0;
}

static struct builtin { const char *name; int (*run)(char **argv); } builtins[] APART = {
	{ "exit", do_exit }, { "true", do_true }, { ":", do_true }, { "false", do_false }, { "echo", do_echo }, { "export", do_export }, { "set", do_set },
};

static int by_name(const void *a, const void *b) { return strcmp(((const struct builtin *)a)->name, ((const struct builtin *)b)->name); }

static struct builtin *builtin(const char *name)
{
	struct builtin key = { name };
	return bsearch(&key, builtins, countof(builtins), sizeof key, by_name);
}

/* --- commands --- */

struct command { char *argv[WORDS], *in, *out; u32 argc; int append; };

static void redirect(const char *path, int flags, int fd)
{
	int from = open(path, flags);
	if (from < 0) {
		fprintf(standard_error, "sh: %s: %s\n", path, strerror(-from));
		exit(1);
	}
	dup2(from, fd);
	close(from);
}

static void __attribute__((noreturn)) child(struct command *c, int in, int out, int other)
{
	for (int sig = 1; sig < 16; sig++) signal(sig, (void *)SIG_DFL);
	if (in > 2) { dup2(in, 0); close(in); }
	if (out > 2) { dup2(out, 1); close(out); }
	if (other > 2) close(other);
	if (c->in) redirect(c->in, 0, 0);
	if (c->out) redirect(c->out, O_CREAT | (c->append ? O_APPEND : O_TRUNC), 1);
	struct builtin *b = builtin(c->argv[0]);
	if (b) exit(b->run(c->argv));
	environ = exported();
	execvp(c->argv[0], c->argv);
	fprintf(standard_error, "sh: %s: not found\n", c->argv[0]);
	exit(127);
}

static int reap(int pid)
{
	int status = 0, got;
	while ((got = wait(&status)) != pid && got >= 0) {}
	return status;
}

static void run_pipeline(struct command *c, u32 n)
{
	int in = 0, p[2], pid = 0;
	char *equals;
	struct builtin *b = n == 1 && !c->in && !c->out ? builtin(c->argv[0]) : NULL;
	if (n == 1 && c->argc == 1 && (equals = strchr(c->argv[0], '=')) && equals > c->argv[0]) {
		*equals = 0;
		assign(c->argv[0], equals + 1, 0);
		last_status = 0;
		return;
	}
	if (b) {
		last_status = b->run(c->argv);
		return;
	}
	fflush(standard_output);
	for (u32 i = 0; i < n; i++) {
		int last = i + 1 == n;
		if (!last && pipe(p)) exit(2);
		pid = fork();
		if (pid < 0) exit(2);
		if (!pid) child(&c[i], in, last ? 1 : p[1], last ? 0 : p[0]);
		if (in) close(in);
		if (!last) close(p[1]);
		in = last ? 0 : p[0];
	}
	last_status = reap(pid);
	for (u32 i = 1; i < n; i++) wait(NULL);
}

static void run_line(const char *line)
{
	static struct command commands[8] APART;
	char word[256];
	u32 n = 0;
	int kind, skip = 0, want = 0;             /* want: 1 a file to read, 2 to write, 3 to append */
	struct reader r = { line };
	memset(commands, 0, sizeof commands);
	do {
		struct command *c = &commands[n];
		kind = next(&r, word, sizeof word);
		if (kind == WORD) {
			char *kept = strdup(word);
			if (want == 1) c->in = kept;
			else if (want) { c->out = kept; c->append = want == 3; }
			else if (c->argc + 1 < WORDS) c->argv[c->argc++] = kept;
			want = 0;
			continue;
		}
		if (kind == OPERATOR && !strcmp(word, "<")) want = 1;
		else if (kind == OPERATOR && word[0] == '>') want = word[1] ? 3 : 2;
		else if (kind == OPERATOR && !strcmp(word, "|") && n + 1 < countof(commands)) n++;
		else {
			if (commands[0].argc && !skip) run_pipeline(commands, n + 1);
			skip = kind == OPERATOR && ((!strcmp(word, "&&") && last_status) || (!strcmp(word, "||") && !last_status));
			for (u32 i = 0; i <= n; i++)
				for (u32 k = 0; k < commands[i].argc; k++) free(commands[i].argv[k]);
			memset(commands, 0, (n + 1) * sizeof *commands);
			n = 0;
		}
	} while (kind != END);
}

static volatile int interrupted;
static void on_interrupt(int sig, struct regs *r) { interrupted = sig; }

static void start(char **envp)
{
	struct stat here;
	setlocale("");
	import(envp);
	qsort(builtins, countof(builtins), sizeof builtins[0], by_name);
	for (int sig = 1; sig < 16; sig++)
		if (sig != SIGKILL && sig != SIGSEGV && sig != SIGPIPE) signal(sig, on_interrupt);
	assign_number("PPID", getppid());
	assign_number("$", getpid());
	if (!variable("PATH", 0)) assign("PATH", "/bin", 1);
	if (!variable("IFS", 0)) assign("IFS", " \t\n", 0);
	if (!variable("PS4", 0)) assign("PS4", "+ ", 0);
	if (!stat("/", &here)) assign("PWD", "/", 1);
	int level = variable("SHLVL", 0) ? strtol(variable("SHLVL", 0)->value, NULL) : 0;
	assign_number("SHLVL", level + 1);
	variable("SHLVL", 0)->exported = 1;
}

int main(int argc, char **argv, char **envp)
{
	start(envp);
	if (argc > 2 && !strcmp(argv[1], "-c")) {
		run_line(argv[2]);
		return last_status;
	}
	struct stream *script = argc > 1 ? fopen(argv[1], "r") : NULL;
	if (!script) return 2;
	char *line = malloc(512);
	while (fgets(line, 512, script)) run_line(line);
	return last_status;
}
