/* libc.so: a C library that programs share. Its text is laid out a page a function and its data a page a table: the library of
 * 2003 had 1.2 MB of text and 24 KB of data, so that what one program uses of it lies that far apart (guest/README.md). */
#define LIBCALL
#define exit _exit
#include "user.h"
#undef exit
#include "libc.h"
#define APART __attribute__((aligned(4096)))

char **environ APART;
static const char *program_name;

/* --- tables of pointers: what relocation writes --- */

static const char *const error_names[] APART = { "Success", "Operation not permitted", "No such file or directory", "No such process", "Interrupted system call",
	"Input/output error", "No such device or address", "Argument list too long", "Exec format error", "Bad file descriptor", "No child processes",
	"Resource temporarily unavailable", "Cannot allocate memory", "Permission denied", "Bad address", "Block device required",
	"Device or resource busy", "File exists", "Invalid cross-device link", "No such device", "Not a directory", "Is a directory",
	"Invalid argument", "Too many open files in system", "Too many open files", "Inappropriate ioctl for device", "Text file busy",
	"File too large", "No space left on device", "Illegal seek", "Read-only file system", "Too many links", "Broken pipe",
	"Numerical argument out of domain", "Numerical result out of range", "Resource deadlock avoided", "File name too long",
	"No locks available", "Function not implemented", "Directory not empty" };
static const char *const signal_names[NSIG] APART = { NULL, "Hangup", "Interrupt", "Quit", "Illegal instruction", "Trace/breakpoint trap", "Aborted",
	"Bus error", "Floating point exception", "Killed", "User defined signal 1", "Segmentation fault", "User defined signal 2", "Broken pipe",
	"Alarm clock", "Terminated", "Stack fault", "Child exited", "Continued", "Stopped (signal)", "Stopped", "Stopped (tty input)",
	"Stopped (tty output)", "Urgent I/O condition", "CPU time limit exceeded", "File size limit exceeded", "Virtual timer expired",
	"Profiling timer expired", "Window changed", "I/O possible", "Power failure", "Bad system call" };

/* A locale: what the C locale of every library holds, and a program may replace by a file's. */
struct locale {
	const char *name, *decimal, *group, *am, *pm, *date, *time, *yes, *no, *charset;
	const char *days[7], *short_days[7], *months[12], *short_months[12];
	u16 class[384];
	u8 upper[384], lower[384];
};
enum { SPACE = 1, DIGIT = 2, ALPHA = 4, UPPER = 8, LOWER = 16, PUNCT = 32, CONTROL = 64 };
static struct locale c_locale APART = { "C", ".", "", "AM", "PM", "%m/%d/%y", "%H:%M:%S", "^[yY]", "^[nN]", "ANSI_X3.4-1968",
	{ "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" }, { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" },
	{ "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December" },
	{ "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" } };
static struct locale *locale APART = &c_locale;

static void classify(struct locale *l)
{
	for (int c = 0; c < 384; c++) {
		int ch = (c - 128) & 0xFF, class = 0;
		if (ch == ' ' || (ch >= 9 && ch <= 13)) class |= SPACE;
		if (ch >= '0' && ch <= '9') class |= DIGIT;
		if (ch >= 'A' && ch <= 'Z') class |= ALPHA | UPPER;
		if (ch >= 'a' && ch <= 'z') class |= ALPHA | LOWER;
		if (ch < 32 || ch == 127) class |= CONTROL;
		if (ch > 32 && ch < 127 && !class) class |= PUNCT;
		l->class[c] = class;
		l->upper[c] = class & LOWER ? ch - 32 : ch;
		l->lower[c] = class & UPPER ? ch + 32 : ch;
	}
}

/* What the environment wishes for each category, as every program's setlocale(LC_ALL, "") asks; other locales are not installed. */
const char *setlocale(const char *name)
{
	static const char *const categories[] = { "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES", "LC_PAPER", "LC_NAME",
		"LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION" };
	struct stat st;
	for (u32 i = 0; i < countof(categories); i++) {
		const char *value = name;
		if (!*value && !(value = getenv("LC_ALL")) && !(value = getenv(categories[i])) && !(value = getenv("LANG"))) value = "C";
		if (strcmp(value, "C") && strcmp(value, "POSIX") && stat("/usr/lib/locale/locale-archive", &st)) return NULL;
	}
	return locale->name;
}

int isspace(int c) { return locale->class[c + 128] & SPACE; }
int isdigit(int c) { return locale->class[c + 128] & DIGIT; }
int isalpha(int c) { return locale->class[c + 128] & ALPHA; }
int toupper(int c) { return locale->upper[c + 128]; }
int tolower(int c) { return locale->lower[c + 128]; }
const char *strerror(int e) { return e >= 0 && e < (int)countof(error_names) ? error_names[e] : "Unknown error"; }
const char *strsignal(int s) { return s > 0 && s < NSIG ? signal_names[s] : "Unknown signal"; }

/* --- strings --- */

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s) return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;
	for (; *s; s++)
		if (*s == (char)c) last = s;
	return (char *)last;
}

char *strcpy(char *to, const char *from) { memcpy(to, from, strlen(from) + 1); return to; }
char *strdup(const char *s) { char *p = malloc(strlen(s) + 1); return p ? strcpy(p, s) : NULL; }

char *strstr(const char *s, const char *what)
{
	u32 n = strlen(what);
	for (; *s; s++)
		if (!strncmp(s, what, n)) return (char *)s;
	return NULL;
}

int strtol(const char *s, char **end)
{
	int v = 0, minus = 0;
	while (isspace(*s)) s++;
	if (*s == '-' || *s == '+') minus = *s++ == '-';
	while (isdigit(*s)) v = v * 10 + (*s++ - '0');
	if (end) *end = (char *)s;
	return minus ? -v : v;
}

static void exchange(u8 *a, u8 *b, u32 n)
{
	for (; n--; a++, b++) { u8 t = *a; *a = *b; *b = t; }
}

static void sift(u8 *base, u32 at, u32 n, u32 size, int (*compare)(const void *, const void *))
{
	for (u32 child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && compare(base + child * size, base + (child + 1) * size) < 0) child++;
		if (compare(base + at * size, base + child * size) >= 0) return;
		exchange(base + at * size, base + child * size, size);
	}
}

void qsort(void *base, u32 n, u32 size, int (*compare)(const void *, const void *))
{
	for (u32 i = n / 2; i-- > 0;) sift(base, i, n, size, compare);
	for (u32 i = n; i-- > 1;) {
		exchange(base, (u8 *)base + i * size, size);
		sift(base, 0, i, size, compare);
	}
}

void *bsearch(const void *key, const void *base, u32 n, u32 size, int (*compare)(const void *, const void *))
{
	for (u32 low = 0, high = n; low < high;) {
		u32 middle = (low + high) / 2;
		int c = compare(key, (u8 *)base + middle * size);
		if (!c) return (u8 *)base + middle * size;
		if (c < 0) high = middle;
		else low = middle + 1;
	}
	return NULL;
}

/* --- the heap: sizes rounded to a power of two, a list of free pieces for each, the break when there is none --- */

struct piece { u32 bin; struct piece *next; };
static struct { struct piece *free[28]; u8 *at, *end; } arena APART;

void *malloc(u32 n)
{
	u32 bin = 4;
	while ((1u << bin) < n + sizeof(u32)) bin++;
	struct piece *p = arena.free[bin];
	if (p) {
		arena.free[bin] = p->next;
		return &p->next;
	}
	if (arena.end - arena.at < 1 << bin) {
		u32 now = brk(0), more = ((1u << bin) + 0x8FFF) & ~0xFFFu;   /* 32 KB ahead */
		if (brk(now + more) != now + more) return NULL;
		if ((u32)arena.end != now) arena.at = (u8 *)now;
		arena.end = (u8 *)now + more;
	}
	p = (struct piece *)arena.at;
	arena.at += 1 << bin;
	p->bin = bin;
	return &p->next;
}

void free(void *q)
{
	if (!q) return;
	struct piece *p = (struct piece *)((u8 *)q - sizeof(u32));
	p->next = arena.free[p->bin];
	arena.free[p->bin] = p;
}

void *calloc(u32 n, u32 size)
{
	void *p = malloc(n * size);
	return p ? memset(p, 0, n * size) : NULL;
}

void *realloc(void *old, u32 n)
{
	u32 had = old ? (1u << ((u32 *)old)[-1]) - sizeof(u32) : 0;
	if (n <= had) return old;
	void *p = malloc(n);
	if (p && old) { memcpy(p, old, had); free(old); }
	return p;
}

/* --- the environment and programs --- */

char *getenv(const char *name)
{
	u32 n = strlen(name);
	for (char **e = environ; e && *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=') return *e + n + 1;
	return NULL;
}

void setenv(const char *name, const char *value)
{
	u32 n = strlen(name), count = 0;
	char *pair = malloc(n + strlen(value) + 2), **e;
	strcpy(pair, name);
	pair[n] = '=';
	strcpy(pair + n + 1, value);
	for (e = environ; *e; e++, count++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=') { *e = pair; return; }
	e = malloc((count + 2) * sizeof *e);
	memcpy(e, environ, count * sizeof *e);
	e[count] = pair;
	e[count + 1] = NULL;
	environ = e;
}

int execvp(const char *file, char **argv)
{
	char path[128];
	if (strchr(file, '/')) return exec(file, argv, environ);
	const char *dirs = getenv("PATH");
	for (const char *d = dirs ? dirs : "/bin"; *d;) {
		const char *end = strchr(d, ':');
		u32 n = end ? (u32)(end - d) : strlen(d);
		if (n + strlen(file) + 2 <= sizeof path) {
			memcpy(path, d, n);
			path[n] = '/';
			strcpy(path + n + 1, file);
			exec(path, argv, environ);
		}
		d += n + (end != NULL);
	}
	return -ENOENT;
}

static struct { void (*f[32])(void); u32 count; } at_exit APART;
int atexit(void (*f)(void))
{
	if (at_exit.count == countof(at_exit.f)) return -ENOMEM;
	at_exit.f[at_exit.count++] = f;
	return 0;
}

/* --- streams --- */

struct stream { int fd, flags; u8 *buffer; u32 at, end; struct stream *next; };
enum { OUT = 1, LINE = 2, AT_END = 4, ERROR = 8 };
static struct stream out APART = { .fd = 1, .flags = OUT | LINE }, err = { .fd = 2, .flags = OUT, .next = &out }, *open_streams = &err;
struct stream *standard_output = &out, *standard_error = &err;
#define BUFFER 4000                           /* a page together with what malloc adds */

static int buffered(struct stream *s)
{
	struct stat st;
	if (s->buffer) return 1;
	if (!fstat(s->fd, &st) && (st.mode & 0170000) != 0020000) s->flags &= ~LINE;   /* lines are for terminals */
	return (s->buffer = malloc(BUFFER)) != NULL;
}

int fflush(struct stream *s)
{
	u32 done = 0;
	while (s->flags & OUT && done < s->at) {
		int n = write(s->fd, s->buffer + done, s->at - done);
		if (n <= 0) { s->flags |= ERROR; break; }
		done += n;
	}
	if (s->flags & OUT) s->at = 0;
	return s->flags & ERROR ? -1 : 0;
}

static void put(struct stream *s, const char *text, u32 n)
{
	if (!buffered(s)) return;
	for (u32 i = 0; i < n; i++) {
		s->buffer[s->at++] = text[i];
		if (s->at == BUFFER || (s->flags & LINE && text[i] == '\n')) fflush(s);
	}
}

int fputs(const char *text, struct stream *s) { put(s, text, strlen(text)); return s->flags & ERROR ? -1 : 0; }
int puts(const char *text) { fputs(text, &out); return fputs("\n", &out); }

static int vfprintf(struct stream *s, const char *fmt, va_list ap)
{
	char line[512];
	int n = vformat(line, sizeof line, fmt, ap);
	put(s, line, n);
	return n;
}

int fprintf(struct stream *s, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vfprintf(s, fmt, ap);
	va_end(ap);
	return n;
}

int printf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vfprintf(&out, fmt, ap);
	va_end(ap);
	return n;
}

struct stream *fopen(const char *path, const char *mode)
{
	int fd = open(path, *mode == 'w' ? O_CREAT | O_TRUNC : *mode == 'a' ? O_CREAT | O_APPEND : 0);
	struct stream *s = fd < 0 ? NULL : calloc(1, sizeof *s);
	if (!s) return NULL;
	s->fd = fd;
	s->flags = *mode == 'r' ? 0 : OUT;
	s->next = open_streams;
	return open_streams = s;
}

int fclose(struct stream *s)
{
	int bad = fflush(s);
	struct stream **at = &open_streams;
	while (*at != s) at = &(*at)->next;
	*at = s->next;
	close(s->fd);
	free(s->buffer);
	free(s);
	return bad;
}

int getc(struct stream *s)
{
	if (s->at == s->end) {
		int n = s->flags & AT_END || !buffered(s) ? 0 : read(s->fd, s->buffer, BUFFER);
		if (n <= 0) { s->flags |= AT_END; return -1; }
		s->at = 0;
		s->end = n;
	}
	return s->buffer[s->at++];
}

int fgets(char *to, u32 size, struct stream *s)
{
	u32 n = 0;
	for (int c; n + 1 < size && (c = getc(s)) >= 0;)
		if ((to[n++] = c) == '\n') break;
	to[n] = 0;
	return n;
}

/* --- the way in and out --- */

void exit(int code)
{
	while (at_exit.count) at_exit.f[--at_exit.count]();
	for (struct stream *s = open_streams; s; s = s->next) fflush(s);
	_exit(code);
}

/* The loader calls this before the program begins. */
void libc_init(int argc, char **argv, char **envp)
{
	environ = envp;
	program_name = argc && strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	classify(&c_locale);
	arena.at = arena.end = NULL;
}

void libc_start(int (*program)(int, char **, char **), int argc, char **argv, char **envp)
{
	exit(program(argc, argv, envp));
}

extern void sigreturn(void) __attribute__((visibility("hidden")));
int signal(int sig, void (*handler)(int, struct regs *)) { return sys(SYS_sigaction, sig, (u32)handler, (u32)sigreturn, 0); }
