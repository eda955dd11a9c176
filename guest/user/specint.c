/* An integer suite: programs of the kinds that SPEC CINT2000 has, on data of a few hundred KB. They meet the kernel only when they
 * touch a page for the first time and when the timer ticks, which is why every way to run them costs about the same. */
#include "work.h"

static u32 seed;
static u32 rnd(void) { return (seed = seed * 1664525 + 1013904223) >> 8; }

/* 164.gzip: Lempel-Ziv with a hash of three bytes and chains, then the way back. */
enum { TEXT = 96 * 1024, WINDOW = 32768, LONGEST = 255 };
static u8 text[TEXT], packed[TEXT + TEXT / 4], again[TEXT];
static u16 head[8192], chain[WINDOW];

static void make_text(void)
{
	static char words[200][12];
	for (u32 w = 0; w < countof(words); w++)
		for (u32 k = 0, n = 2 + rnd() % 8; k < n; k++) words[w][k] = 'a' + rnd() % 26, words[w][k + 1] = 0;
	for (u32 n = 0; n < TEXT;) {
		const char *w = words[rnd() % (1 + rnd() % countof(words))];
		while (*w && n < TEXT) text[n++] = *w++;
		if (n < TEXT) text[n++] = ' ';
	}
}

static u32 longest(u32 at, u32 *distance)
{
	u32 key = (text[at] << 10 ^ text[at + 1] << 5 ^ text[at + 2]) % countof(head), best = 0, tries = 24;
	for (u32 p = head[key]; p && tries--; p = chain[p % WINDOW]) {
		u32 from = at - ((at - p + 1) & 0xFFFF), n = 0;
		if (from >= at || at - from >= WINDOW) break;
		while (n < LONGEST && at + n < TEXT && text[from + n] == text[at + n]) n++;
		if (n > best) { best = n; *distance = at - from; }
	}
	chain[(at + 1) % WINDOW] = head[key];
	head[key] = at + 1;
	return best;
}

static u32 gzip(void)
{
	u32 out = 0, distance = 0, n = 0;
	make_text();
	memset(head, 0, sizeof head);
	for (u32 at = 0; at + 3 < TEXT;) {
		u32 len = longest(at, &distance);
		if (len < 4) { packed[out++] = 0; packed[out++] = text[at++]; continue; }
		packed[out++] = len;
		packed[out++] = distance;
		packed[out++] = distance >> 8;
		at += len;
	}
	for (u32 i = 0; i < out;) {
		u32 len = packed[i++];
		if (!len) { again[n++] = packed[i++]; continue; }
		u32 from = n - (packed[i] | packed[i + 1] << 8);
		for (i += 2; len--;) again[n++] = again[from++];
	}
	must(n + 4 > TEXT && !memcmp(text, again, n));
	return out;
}

/* 181.mcf, 175.vpr: cheapest ways through a graph with a heap. */
enum { NODES = 6000, EDGES = 4 };
static struct { u32 to[EDGES], cost[EDGES], distance, place; } node[NODES];
static u32 heap[NODES + 1], heap_size;

static void settle(u32 at, u32 v)
{
	for (; at > 1 && node[heap[at / 2]].distance > node[v].distance; at /= 2) node[heap[at] = heap[at / 2]].place = at;
	node[heap[at] = v].place = at;
}

static u32 pop(void)
{
	u32 top = heap[1], v = heap[heap_size--], at = 1;
	for (u32 child; (child = 2 * at) <= heap_size; at = child) {
		if (child < heap_size && node[heap[child + 1]].distance < node[heap[child]].distance) child++;
		if (node[heap[child]].distance >= node[v].distance) break;
		node[heap[at] = heap[child]].place = at;
	}
	if (heap_size) node[heap[at] = v].place = at;
	return top;
}

static u32 paths(void)
{
	u32 h = HASH_START;
	for (u32 i = 0; i < NODES; i++) {
		node[i].distance = ~0u;
		node[i].place = 0;
		for (u32 k = 0; k < EDGES; k++) {
			node[i].to[k] = k ? rnd() % NODES : (i + 1) % NODES;
			node[i].cost[k] = 1 + rnd() % 100;
		}
	}
	node[0].distance = 0;
	heap_size = 1;
	settle(1, 0);
	while (heap_size) {
		u32 v = pop();
		h = hash(h, node[v].distance);
		for (u32 k = 0; k < EDGES; k++) {
			u32 to = node[v].to[k], d = node[v].distance + node[v].cost[k];
			if (d >= node[to].distance) continue;
			u32 fresh = node[to].distance == ~0u;
			node[to].distance = d;
			settle(fresh ? ++heap_size : node[to].place, to);
		}
	}
	return h;
}

/* 186.crafty: alpha-beta on a board of bits; four in a row on 7 columns of 6, the columns 7 bits apart. */
static int won(u64 b)
{
	for (u32 step = 1; step <= 8; step += step == 1 ? 5 : 1) {
		u64 m = b & b >> step;
		if (m & m >> 2 * step) return 1;
	}
	return 0;
}

static u32 positions;
static int search(u64 me, u64 other, u32 *height, int depth, int alpha, int beta)
{
	static const u8 order[] = { 3, 2, 4, 1, 5, 0, 6 };
	positions++;
	if (won(other)) return -100 - depth;
	if (!depth) return popcount((u32)me & 0x0F0F0F0F) - popcount((u32)other & 0x0F0F0F0F);
	for (u32 i = 0; i < 7 && alpha < beta; i++) {
		u32 c = order[i];
		if (height[c] == 6) continue;
		u64 move = 1ull << (c * 7 + height[c]++);
		int v = -search(other, me | move, height, depth - 1, -beta, -alpha);
		height[c]--;
		if (v > alpha) alpha = v;
	}
	return alpha;
}

static u32 crafty(void)
{
	u32 height[7] = { 0 };
	positions = 0;
	int v = search(0, 0, height, 7, -1000, 1000);
	return hash(hash(HASH_START, v), positions);
}

/* 197.parser, 176.gcc: expressions read by recursive descent, names in a hash table, evaluated over and over. */
static struct { u32 name; int value; } names[512];
static const char *at_;
static int expression(void);

static int *name_of(void)
{
	u32 h = 0;
	while (*at_ >= 'a' && *at_ <= 'z') h = h * 31 + *at_++;
	u32 i = h % countof(names);
	while (names[i].name && names[i].name != h) i = (i + 1) % countof(names);
	names[i].name = h;
	return &names[i].value;
}

static int primary(void)
{
	int v = 0;
	if (*at_ == '(') { at_++; v = expression(); at_++; return v; }
	if (*at_ >= 'a') return *name_of();
	while (*at_ >= '0' && *at_ <= '9') v = v * 10 + (*at_++ - '0');
	return v;
}

static int term(void)
{
	int v = primary();
	while (*at_ == '*' || *at_ == '&') v = *at_++ == '*' ? v * primary() : v & primary();
	return v;
}

static int expression(void)
{
	int v = term();
	while (*at_ == '+' || *at_ == '-' || *at_ == '^') {
		char op = *at_++;
		int w = term();
		v = op == '+' ? v + w : op == '-' ? v - w : v ^ w;
	}
	return v;
}

static u32 make_expression(char *to, u32 depth)
{
	u32 n = 0;
	if (!depth || rnd() % 5 == 0) {
		if (rnd() % 2) return format(to, 8, "%u", rnd() % 1000);
		for (u32 k = 1 + rnd() % 2; k--;) to[n++] = 'a' + rnd() % 20;
		return n;
	}
	to[n++] = '(';
	n += make_expression(to + n, depth - 1);
	to[n++] = "+-*&^"[rnd() % 5];
	n += make_expression(to + n, depth - 1);
	to[n++] = ')';
	return n;
}

static u32 parser(void)
{
	static char source[64][4096];
	u32 h = HASH_START;
	memset(names, 0, sizeof names);
	for (u32 i = 0; i < countof(source); i++) source[i][make_expression(source[i], 7)] = 0;
	for (u32 round = 0; round < 12; round++)
		for (u32 i = 0; i < countof(source); i++) {
			at_ = source[i];
			int v = expression();
			at_ = source[(i * 7 + 1) % countof(source)] + 1;
			while (*at_ && (*at_ < 'a' || *at_ > 'z')) at_++;
			if (*at_) *name_of() += v;
			h = hash(h, v);
		}
	return h;
}

static u32 wl_specint(u32 n)
{
	u32 h = HASH_START;
	seed = 2000;
	start();
	for (u32 i = 0; i < n; i++) h = hash(hash(hash(hash(h, gzip()), paths()), crafty()), parser());
	stop(1);
	return h;
}

const struct workload specint_workloads[] = { { "specint", wl_specint, 2 }, { NULL } };
