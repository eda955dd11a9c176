/* A shell: sh -c COMMAND, or sh SCRIPT. Words with quotes and variables, pipelines, lists with ; && ||, redirections,
 * built-in commands; everything else is looked for along PATH, forked and executed; the last command of sh -c is executed in its place. */
#include "shell.h"

enum { WORDS = 48 };
int last_status;

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
		value = n ? value_of(name) : "$";
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

/* --- signals: those that would end it --- */

static const u8 own_signals[] = { 1, 2, 3, SIGILL, SIGTRAP, 6, 7, SIGFPE, SIGUSR1, 12, SIGPIPE, 14, SIGTERM, 24, 25, 26, 27 };
static volatile int ended_by;
static void on_signal(int sig, struct regs *r) { ended_by = sig; }

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
	for (u32 i = 0; i < countof(own_signals); i++) signal(own_signals[i], (void *)SIG_DFL);
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

static void run_pipeline(struct command *c, u32 n, int last)
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
	if (last && n == 1) child(c, 0, 1, 0);
	for (u32 i = 0; i < n; i++) {
		int ends = i + 1 == n;
		if (!ends && pipe(p)) exit(2);
		pid = fork();
		if (pid < 0) exit(2);
		if (!pid) child(&c[i], in, ends ? 1 : p[1], ends ? 0 : p[0]);
		if (in) close(in);
		if (!ends) close(p[1]);
		in = ends ? 0 : p[0];
	}
	last_status = reap(pid);
	for (u32 i = 1; i < n; i++) wait(NULL);
}

int run_line(const char *line, int last)
{
	static struct command lines[4][8] APART;
	static u32 depth;                         /* eval and . come back here */
	struct command *commands = lines[depth];
	char word[256];
	u32 n = 0;
	if (depth + 1 == countof(lines)) return last_status = 2;
	depth++;
	int kind, skip = 0, want = 0;             /* want: 1 a file to read, 2 to write, 3 to append */
	struct reader r = { line };
	memset(commands, 0, sizeof lines[0]);
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
		else if (kind == OPERATOR && !strcmp(word, "|") && n + 1 < countof(lines[0])) n++;
		else {
			if (commands[0].argc && !skip) run_pipeline(commands, n + 1, last && kind == END);
			skip = kind == OPERATOR && ((!strcmp(word, "&&") && last_status) || (!strcmp(word, "||") && !last_status));
			for (u32 i = 0; i <= n; i++)
				for (u32 k = 0; k < commands[i].argc; k++) free(commands[i].argv[k]);
			memset(commands, 0, (n + 1) * sizeof *commands);
			n = 0;
		}
	} while (kind != END);
	depth--;
	return last_status;
}

int run_file(const char *path)
{
	struct stream *script = fopen(path, "r");
	if (!script) return 2;
	char *line = malloc(512);
	while (fgets(line, 512, script)) run_line(line, 0);
	free(line);
	fclose(script);
	return last_status;
}

static void start(char **argv, char **envp)
{
	int tty = open("/dev/tty", 0);
	if (tty >= 0) close(tty);
	setlocale("");
	for (u32 i = 0; i < countof(own_signals); i++) signal(own_signals[i], on_signal);
	sort_builtins();
	import(envp);
	initialize_variables(argv[0]);
}

int main(int argc, char **argv, char **envp)
{
	start(argv, envp);
	if (argc > 2 && !strcmp(argv[1], "-c")) return run_line(argv[2], 1);
	return argc > 1 ? run_file(argv[1]) : 2;
}
