/* TCP (RFC 9293) with congestion control (RFC 5681), the retransmission timer (RFC 6298) and delayed acknowledgements
 * (RFC 1122, 4.2.3.2). No options but the segment size; no window scaling, no urgent data. */
#include "tcp.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };
enum { RTO_FIRST = HZ, RTO_MIN = HZ / 5, RTO_MAX = 60 * HZ, DELAYED_ACK = HZ / 25, TRIES = 8, TWICE_LIFETIME = 60 * HZ, EARLY_MAX = 64 };
#define BUCKETS 64
static struct tcp all[288], *buckets[BUCKETS];
static u32 used, port_next = 32768;           /* of `all`: those beyond were never used */

static inline int before(u32 a, u32 b) { return (int)(a - b) < 0; }
static inline u32 least(u32 a, u32 b) { return a < b ? a : b; }
static inline u32 most(u32 a, u32 b) { return a > b ? a : b; }
static u32 numbers(const struct packet *p) { return p->payload + ((p->flags & (SYN | FIN)) != 0); }   /* of the send queue */
static struct tcp **bucket(u32 lport, u32 rport) { return &buckets[(lport ^ rport ^ rport >> 6) % BUCKETS]; }

static void rehash(struct tcp *t, u32 lport, u32 rport)
{
	if (t->lport)
		for (struct tcp **at = bucket(t->lport, t->rport); *at; at = &(*at)->hash_next)
			if (*at == t) { *at = t->hash_next; break; }
	t->lport = lport;
	t->rport = rport;
	if (!lport) return;
	struct tcp **b = bucket(lport, rport);
	t->hash_next = *b;
	*b = t;
}

static struct tcp *find(u32 lip, u32 lport, u32 rip, u32 rport)
{
	for (struct tcp *t = *bucket(lport, rport); t; t = t->hash_next)
		if (t->lport == lport && t->rport == rport && t->rip == rip && t->lip == lip) return t;
	for (struct tcp *t = *bucket(lport, 0); t; t = t->hash_next)
		if (t->lport == lport && !t->rport && t->state == LISTEN) return t;
	return NULL;
}

static void drop_packets(struct packet *p)
{
	for (struct packet *next; p; p = next) {
		next = p->next;
		packet_put(p);
	}
}

static void forget_packets(struct tcp *t)
{
	drop_packets(t->out.head);
	drop_packets(t->early);
	t->out.head = t->unsent = t->early = NULL;
	t->out_bytes = t->early_count = 0;
}

/* The connection is over: the slot is free once no program holds it. */
static void closed(struct tcp *t, int error)
{
	struct tcp *l = t->listener;
	forget_packets(t);
	rehash(t, 0, 0);
	if (t->state == SYN_RECEIVED && l) {
		l->pending--;
		t->listener = NULL;
	}                                         /* one that waits to be accepted stays in its listener's list */
	t->state = CLOSED;
	t->timer = t->ack_timer = 0;
	if (error) t->error = error;
	if (!t->open && !t->listener) {
		drop_packets(t->in.head);
		t->in.head = NULL;
	}
	wakeup(&t->wait);
}

struct tcp *tcp_new(void)
{
	struct tcp *t = all, *oldest = NULL;
	for (; t < all + used; t++) {
		if (t->state == CLOSED && !t->open && !t->listener) break;
		if (t->state == TIME_WAIT && !t->open && (!oldest || t->timer < oldest->timer)) oldest = t;
	}
	if (t == all + used) {
		if (used < countof(all)) used++;
		else if (oldest) closed(t = oldest, 0);
		else return NULL;
	}
	memset(t, 0, sizeof *t);
	return t;
}

/* --- sending segments --- */

static u32 window(struct tcp *t) { return t->in_bytes < BUFFER ? BUFFER - t->in_bytes : 0; }

/* Puts the header in front of `p`, whose payload begins at HEADROOM, and sends it; takes a reference. */
static void send_segment(struct tcp *t, struct packet *p, u32 seq, u32 flags)
{
	u32 head = TCP_BYTES + (flags & SYN ? 4 : 0), len = p->payload;
	u8 *h = p->page + HEADROOM - head;
	put16(h, t->lport);
	put16(h + 2, t->rport);
	put32(h + 4, seq);
	put32(h + 8, flags & ACK ? t->rcv_nxt : 0);
	u32 w = window(t);
	put32(h + 12, head << 26 | flags << 16 | w);
	put32(h + 16, 0);
	if (flags & SYN) put32(h + 20, 0x02040000 | (ip_mtu(t->rip) - IP_BYTES - TCP_BYTES));
	u32 sum = sum_of(h, head, p->sum), pseudo[3] = { swap32(t->lip), swap32(t->rip), swap32(IP_TCP << 16 | (head + len)) };
	*(u16 *)(h + 16) = sum_fold(sum_of(pseudo, sizeof pseudo, sum));
	p->data = h;
	p->len = head + len;
	if (flags & ACK) {
		t->advertised = t->rcv_nxt + w;
		t->ack_timer = t->segments = t->ack_due = 0;
	}
	ip_send(p, t->rip, IP_TCP);
}

static void send_ack(struct tcp *t)
{
	struct packet *p = packet_alloc();
	if (p) send_segment(t, p, t->nxt, ACK);
}

/* An answer to what belongs to no connection (RFC 9293, 3.10.7.1). */
static void send_reset(const u8 *h, u32 len, u32 from, u32 to)
{
	struct packet *p = packet_alloc();
	if (!p) return;
	u32 flags = h[13];
	struct tcp t = { .lip = to, .rip = from, .lport = get16(h + 2), .rport = get16(h), .in_bytes = BUFFER };
	t.rcv_nxt = get32(h + 4) + len + ((flags & SYN) != 0) + ((flags & FIN) != 0);
	send_segment(&t, p, flags & ACK ? get32(h + 8) : 0, flags & ACK ? RST : RST | ACK);
}

/* The card may still hold a packet of an earlier try: then that try is not over. */
static int transmit(struct tcp *t, struct packet *p)
{
	if (p->refs > 1) return 0;
	u32 flags = p->flags & (SYN | FIN);
	if (t->state != SYN_SENT) flags |= ACK;
	if (p->payload && !p->next) flags |= PSH;
	p->refs++;
	send_segment(t, p, p->seq, flags);
	return 1;
}

static void start_timer(struct tcp *t) { t->timer = least(t->rto << least(t->tries, 8), RTO_MAX); }

/* Sends what the windows allow. Small segments wait while others are under way (RFC 1122, 4.2.3.4). */
void tcp_push(struct tcp *t)
{
	struct packet *p;
	while ((p = t->unsent)) {
		u32 n = numbers(p), flying = before(t->una, p->seq) ? p->seq - t->una : 0, allowed = least(t->wnd, t->cwnd);
		int first = t->state == SYN_SENT || t->state == SYN_RECEIVED;
		if (!first && flying + p->payload > allowed && !(flying == 0 && t->wnd >= p->payload)) break;
		if (p->payload && p->payload < t->mss && flying && !p->next && !before(p->seq, t->nxt)) break;
		if (!transmit(t, p)) break;
		if (!before(p->seq, t->nxt) && !t->rtt_running && n) {
			t->rtt_running = 1;
			t->rtt_seq = p->seq + n;
			t->rtt_start = jiffies;
		}
		if (before(t->nxt, p->seq + n)) t->nxt = p->seq + n;
		t->unsent = p->next;
		if (!t->timer) start_timer(t);
	}
	if (t->unsent && !t->timer) start_timer(t);   /* the window is shut: its opening may get lost */
	if (t->ack_due) send_ack(t);
}

static void enqueue(struct tcp *t, struct packet *p, u32 seq)
{
	p->seq = seq;
	packets_add(&t->out, p);
	if (!t->unsent) t->unsent = p;
}

static u32 queue_end(struct tcp *t) { return t->out.head ? t->out.tail->seq + numbers(t->out.tail) : t->nxt; }

static int send_flag(struct tcp *t, u32 flag)
{
	struct packet *p = packet_alloc();
	if (!p) return -ENOBUFS;
	p->flags = flag;
	enqueue(t, p, queue_end(t));
	tcp_push(t);
	return 0;
}

/* --- what a socket asks for --- */

int tcp_bind(struct tcp *t, u32 port)
{
	if (port) {
		for (struct tcp *o = *bucket(port, 0); o; o = o->hash_next)
			if (o->lport == port && !o->rport) return -EADDRINUSE;
	} else {
		if (port_next >= 61000) port_next = 32768;
		port = port_next++;
	}
	rehash(t, port, 0);
	return 0;
}

static void synchronise(struct tcp *t, u32 ip)
{
	static u32 iss = 1;
	t->rip = ip;
	t->lip = ip_source(ip);
	t->una = t->nxt = iss += 64021;
	t->mss = 536;                             /* until the other side says (RFC 9293, 3.7.1) */
	t->rto = RTO_FIRST;
	t->ssthresh = BUFFER;
}

int tcp_connect(struct tcp *t, u32 ip, u32 port)
{
	u32 local = t->lport;
	if (!local) tcp_bind(t, 0), local = t->lport;
	rehash(t, local, port);
	synchronise(t, ip);
	t->state = SYN_SENT;
	return send_flag(t, SYN);
}

void tcp_listen(struct tcp *t, u32 backlog)
{
	t->state = LISTEN;
	t->backlog = backlog < 1 ? 1 : backlog > 128 ? 128 : backlog;
}

int tcp_room(struct tcp *t) { return t->out_bytes < BUFFER ? BUFFER - t->out_bytes : 0; }

/* Sums from an odd offset count in the other byte of each word. */
static u32 sum_at(u32 total, u32 sum, u32 offset)
{
	sum = (sum & 0xFFFF) + (sum >> 16);
	sum = (sum & 0xFFFF) + (sum >> 16);
	if (offset & 1) sum = swap16(sum);
	total = (total & 0xFFFF) + (total >> 16);
	return total + sum;
}

/* Fills up the last packet if it has not gone, then makes new ones. While a packet is being filled it is in no queue. */
int tcp_queue(struct tcp *t, const void *from, u32 n)
{
	u32 done = 0, room = tcp_room(t);
	if (n > room) n = room;
	while (done < n) {
		struct packet *p = t->unsent ? t->out.tail : NULL;
		if (p && (p->flags || p->payload >= t->mss || before(p->seq, t->nxt) || p->refs > 1)) p = NULL;
		u32 part = least(n - done, t->mss - (p ? p->payload : 0));
		if (p) {
			p->sum = sum_at(p->sum, sum_and_copy(p->page + HEADROOM + p->payload, from + done, part, 0), p->payload);
			p->payload += part;
		} else {
			if (!(p = packet_alloc())) break;
			irq_enable();
			p->sum = sum_and_copy(p->page + HEADROOM, from + done, part, 0);
			irq_disable();
			p->payload = part;
			if (t->state != ESTABLISHED && t->state != CLOSE_WAIT) { packet_put(p); break; }
			enqueue(t, p, queue_end(t));
		}
		t->out_bytes += part;
		done += part;
		if (p->payload == t->mss) tcp_push(t);
	}
	return done;
}

void tcp_fin(struct tcp *t)
{
	if (t->fin_queued) return;
	if (t->state == ESTABLISHED || t->state == SYN_RECEIVED) t->state = FIN_WAIT_1;
	else if (t->state == CLOSE_WAIT) t->state = LAST_ACK;
	else return;
	t->fin_queued = 1;
	if (send_flag(t, FIN)) tcp_abort(t);
}

void tcp_abort(struct tcp *t)
{
	struct packet *p;
	if (t->state >= SYN_RECEIVED && t->state != TIME_WAIT && (p = packet_alloc())) send_segment(t, p, t->nxt, RST | ACK);
	closed(t, ECONNRESET);
}

void tcp_drop(struct tcp *t)
{
	drop_packets(t->in.head);
	t->in.head = NULL;
	t->in_bytes = t->open = 0;
}

/* A listener goes, and with it whom nobody has accepted yet. */
void tcp_unlisten(struct tcp *l)
{
	for (struct tcp *t = all; t < all + used; t++) {
		if (t->listener != l) continue;
		if (t->state != CLOSED) tcp_abort(t);
		t->listener = NULL;
		tcp_drop(t);
	}
	l->ready = NULL;
	l->ready_count = 0;
	closed(l, 0);
}

void tcp_was_read(struct tcp *t)
{
	u32 more = t->rcv_nxt + window(t) - t->advertised;
	if (t->state >= ESTABLISHED && t->state != TIME_WAIT && more >= least(2 * t->mss, BUFFER / 2) && (int)more > 0) send_ack(t);
}

/* --- taking segments --- */

/* The round trip that was being measured is over (RFC 6298, 2). */
static void measured(struct tcp *t)
{
	int r = jiffies - t->rtt_start, delta = r - (int)(t->srtt >> 3);
	if (t->srtt) {
		t->srtt += delta;
		t->rttvar += (delta < 0 ? -delta : delta) - (int)(t->rttvar >> 2);
	} else {
		t->srtt = r << 3;
		t->rttvar = r << 1;
	}
	t->rto = least(most((t->srtt >> 3) + most(t->rttvar, 1), RTO_MIN), RTO_MAX);
	t->rtt_running = 0;
}

/* RFC 5681, 3.2: the third duplicate says that the first segment is lost. */
static void duplicate_ack(struct tcp *t)
{
	t->dup_acks++;
	if (t->dup_acks == 3) {
		t->ssthresh = most((t->nxt - t->una) / 2, 2 * t->mss);
		t->cwnd = t->ssthresh + 3 * t->mss;
		t->recover = t->nxt;
		t->rtt_running = 0;
		transmit(t, t->out.head);
	} else if (t->dup_acks > 3) t->cwnd += t->mss;
}

static void acknowledged(struct tcp *t, u32 ack)
{
	struct packet *p;
	u32 n = ack - t->una;
	if (t->rtt_running && !before(ack, t->rtt_seq)) measured(t);
	t->una = ack;
	if (before(t->nxt, ack)) t->nxt = ack;    /* more than this try has sent: an earlier one had */
	while ((p = t->out.head) && !before(ack, p->seq + numbers(p))) {
		if (t->unsent == p) t->unsent = p->next;
		t->out_bytes -= p->payload;
		packet_put(packets_take(&t->out));
	}
	t->tries = 0;
	t->timer = 0;
	if (t->out.head) start_timer(t);
	if (t->dup_acks >= 3) {
		if (before(ack, t->recover)) {        /* a partial one: the next is lost too (RFC 6582) */
			t->cwnd = most(t->cwnd > n ? t->cwnd - n + t->mss : 0, t->mss);
			if (t->out.head) transmit(t, t->out.head);
			return;
		}
		t->cwnd = t->ssthresh;
	} else if (t->cwnd < t->ssthresh) t->cwnd += least(n, 2 * t->mss);
	else t->cwnd += most(t->mss * t->mss / t->cwnd, 1);
	t->cwnd = least(t->cwnd, 2 * BUFFER);
	t->dup_acks = 0;
	if (t->out_bytes <= BUFFER / 2 || !t->out.head) wakeup(&t->wait);
}

static void established(struct tcp *t)
{
	struct tcp *l = t->listener;
	t->state = ESTABLISHED;
	t->cwnd = least(4 * t->mss, most(2 * t->mss, 4380));   /* RFC 3390 */
	if (l) {
		l->pending--;
		l->ready_count++;
		t->ready_next = NULL;
		if (l->ready) l->ready_tail->ready_next = t;
		else l->ready = t;
		l->ready_tail = t;
		wakeup(&l->wait);
	}
	wakeup(&t->wait);
}

static void finish(struct tcp *t)             /* the other side has said its last */
{
	t->rcv_nxt++;
	t->ack_due = 1;
	t->fin_early = 0;
	if (t->state == ESTABLISHED || t->state == SYN_RECEIVED) t->state = CLOSE_WAIT;
	else if (t->state == FIN_WAIT_1) t->state = CLOSING;
	else if (t->state == FIN_WAIT_2) {
		t->state = TIME_WAIT;
		t->timer = TWICE_LIFETIME;
	}
	wakeup(&t->wait);
}

static void append(struct tcp *t, struct packet *p)
{
	t->rcv_nxt += p->len;
	t->in_bytes += p->len;
	if (t->open || t->listener) packets_add(&t->in, p);
	else { t->in_bytes -= p->len; packet_put(p); }   /* nobody will read it */
}

/* Data from `seq` on, inside the window. In order it goes to the reader; beyond a gap it waits, in order of sequence. */
static void data(struct tcp *t, struct packet *p, u32 seq)
{
	if (seq != t->rcv_nxt) {
		struct packet **at = &t->early;
		t->ack_due = 1;                       /* a duplicate acknowledgement, at once */
		while (*at && before((*at)->seq, seq)) at = &(*at)->next;
		if (t->early_count >= EARLY_MAX || (*at && (*at)->seq == seq && (*at)->len >= p->len)) { packet_put(p); return; }
		p->seq = seq;
		p->next = *at;
		*at = p;
		t->early_count++;
		return;
	}
	append(t, p);
	if (++t->segments >= 2 || t->early) t->ack_due = 1;
	else if (!t->ack_timer) t->ack_timer = DELAYED_ACK;
	while ((p = t->early) && !before(t->rcv_nxt, p->seq)) {
		t->early = p->next;
		t->early_count--;
		u32 old = t->rcv_nxt - p->seq;
		if (old >= p->len) { packet_put(p); continue; }
		p->data += old;
		p->len -= old;
		append(t, p);
	}
	wakeup(&t->wait);
}

static void take_mss(struct tcp *t, const u8 *h, u32 head)
{
	u32 mss = 536, own = ip_mtu(t->rip) - IP_BYTES - TCP_BYTES;
	for (u32 i = TCP_BYTES; i < head && h[i];) {
		if (h[i] == 1) { i++; continue; }
		if (i + 1 >= head || h[i + 1] < 2 || i + h[i + 1] > head) break;
		if (h[i] == 2 && h[i + 1] == 4) mss = get16(h + i + 2);
		i += h[i + 1];
	}
	t->mss = least(most(mss, 64), own);
}

static void arrives_at_listener(struct tcp *l, const u8 *h, u32 head, u32 len, u32 from, u32 to)
{
	u32 flags = h[13];
	if (flags & RST) return;
	if (flags & ACK) return send_reset(h, len, from, to);
	if (!(flags & SYN) || l->pending + l->ready_count >= l->backlog) return;
	struct tcp *t = tcp_new();
	if (!t) return;
	rehash(t, get16(h + 2), get16(h));
	synchronise(t, from);
	t->lip = to;
	t->listener = l;
	l->pending++;
	take_mss(t, h, head);
	t->rcv_nxt = get32(h + 4) + 1;
	t->wnd = get16(h + 14);
	t->state = SYN_RECEIVED;
	send_flag(t, SYN);
}

static void arrives_at_syn_sent(struct tcp *t, const u8 *h, u32 head, u32 len, u32 from, u32 to)
{
	u32 flags = h[13], ack = get32(h + 8);
	if ((flags & ACK) && ack != t->una + 1) {
		if (!(flags & RST)) send_reset(h, len, from, to);
		return;
	}
	if (flags & RST) {
		if (flags & ACK) closed(t, ECONNREFUSED);
		return;
	}
	if (!(flags & SYN)) return;
	take_mss(t, h, head);
	t->rcv_nxt = get32(h + 4) + 1;
	t->wnd = get16(h + 14);
	t->wl1 = get32(h + 4);
	t->wl2 = ack;
	t->ack_due = 1;
	if (flags & ACK) {
		acknowledged(t, ack);
		established(t);
	} else {                                  /* both have called at once */
		t->state = SYN_RECEIVED;
		t->unsent = t->out.head;
	}
	tcp_push(t);
}

/* Whether any of the segment is in the window (RFC 9293, 3.10.7.4); what is not acceptable is answered by the caller. */
static int acceptable(struct tcp *t, u32 seq, u32 n)
{
	u32 w = window(t);
	if (!n) return seq == t->rcv_nxt || (!before(seq, t->rcv_nxt) && before(seq, t->rcv_nxt + w));
	return w && before(seq, t->rcv_nxt + w) && before(t->rcv_nxt, seq + n);
}

/* The acknowledgement and the window; 0 when the segment is to be dropped. */
static int take_ack(struct tcp *t, const u8 *h, u32 len)
{
	u32 seq = get32(h + 4), ack = get32(h + 8), wnd = get16(h + 14), end = queue_end(t);
	if (before(end, ack)) { t->ack_due = 1; return 0; }
	if (t->state == SYN_RECEIVED) {
		if (!before(t->una, ack)) return 0;
		t->wnd = wnd;
		t->wl1 = seq;
		t->wl2 = ack;
		established(t);
	}
	if (before(t->una, ack)) acknowledged(t, ack);
	else if (ack == t->una && t->out.head && t->nxt != t->una && !len && wnd == t->wnd && !(h[13] & FIN)) duplicate_ack(t);
	if (before(t->wl1, seq) || (t->wl1 == seq && !before(ack, t->wl2))) {
		t->wnd = wnd;
		t->wl1 = seq;
		t->wl2 = ack;
	}
	if (t->out.head || !t->fin_queued) return 1;
	if (t->state == FIN_WAIT_1) { t->state = FIN_WAIT_2; wakeup(&t->wait); }
	else if (t->state == CLOSING) {
		t->state = TIME_WAIT;
		t->timer = TWICE_LIFETIME;
	} else if (t->state == LAST_ACK) {
		closed(t, 0);
		return 0;
	}
	return 1;
}

static void arrives(struct tcp *t, struct packet *p, const u8 *h)
{
	u32 seq = get32(h + 4), flags = h[13], n = p->len + ((flags & FIN) != 0) + ((flags & SYN) != 0);
	if (!acceptable(t, seq, n)) {
		if (!(flags & RST)) t->ack_due = 1;
		goto out;
	}
	if (flags & RST) {                        /* RFC 9293, 3.10.7.4: the exact number resets, another is asked about */
		if (seq == t->rcv_nxt) closed(t, t->state == SYN_RECEIVED ? ECONNREFUSED : ECONNRESET);
		else t->ack_due = 1;
		goto out;
	}
	if (flags & SYN) { t->ack_due = 1; goto out; }
	if (!(flags & ACK) || !take_ack(t, h, p->len)) goto out;
	if (t->state == TIME_WAIT) { t->ack_due = n != 0; goto out; }
	int receiving = t->state == ESTABLISHED || t->state == FIN_WAIT_1 || t->state == FIN_WAIT_2;
	if (p->len && receiving) {
		u32 old = before(seq, t->rcv_nxt) ? least(t->rcv_nxt - seq, p->len) : 0;
		p->data += old;
		p->len -= old;
		seq += old;
		u32 fits = t->rcv_nxt + window(t) - seq;
		if (p->len > fits) { p->len = fits; flags &= ~FIN; }
		u32 end = seq + p->len;
		if (p->len) { data(t, p, seq); p = NULL; }
		else t->ack_due = 1;
		seq = end;
	}
	if ((flags & FIN) && receiving) {
		t->fin_early = 1;
		t->fin_seq = seq;
	}
	if (t->fin_early && t->rcv_nxt == t->fin_seq) finish(t);
	else if (t->fin_early) t->ack_due = 1;
out:
	if (p) packet_put(p);
	if (t->state != CLOSED) tcp_push(t);
}

void tcp_input(struct packet *p, u32 from, u32 to)
{
	u8 *h = p->data;
	u32 head = p->len >= TCP_BYTES ? h[12] >> 4 << 2 : 0;
	if (head < TCP_BYTES || head > p->len) { packet_put(p); return; }
	if (!p->trusted) {
		u32 pseudo[3] = { swap32(from), swap32(to), swap32(IP_TCP << 16 | p->len) };
		if (sum_fold(sum_of(pseudo, sizeof pseudo, sum_of(h, p->len, 0)))) { packet_put(p); return; }
	}
	p->data += head;
	p->len -= head;
	struct tcp *t = find(to, get16(h + 2), from, get16(h));
	if (t && t->state > SYN_SENT) { arrives(t, p, h); return; }
	if (!t || t->state == CLOSED) { if (!(h[13] & RST)) send_reset(h, p->len, from, to); }
	else if (t->state == LISTEN) arrives_at_listener(t, h, head, p->len, from, to);
	else arrives_at_syn_sent(t, h, head, p->len, from, to);
	packet_put(p);
}

/* --- time --- */

static void timer(struct tcp *t)
{
	if (t->state == TIME_WAIT) { closed(t, 0); return; }
	if (t->tries++ >= TRIES) { closed(t, ETIMEDOUT); return; }
	start_timer(t);
	if (!t->out.head) return;
	if (t->nxt != t->una) {                   /* lost: from the first again, slowly (RFC 5681, 3.1) */
		t->ssthresh = most((t->nxt - t->una) / 2, 2 * t->mss);
		t->cwnd = t->mss;
		t->dup_acks = t->rtt_running = 0;
		t->unsent = t->out.head;
	}
	/* A closed window is asked about by sending what does not fit (RFC 9293, 3.8.6.1). */
	struct packet *p = t->unsent;
	if (p && transmit(t, p)) {
		u32 end = p->seq + numbers(p);
		if (before(t->nxt, end)) t->nxt = end;
		t->unsent = p->next;
	}
}

void net_tick(void)
{
	if (jiffies % HZ == 0) arp_retry();
	for (struct tcp *t = all; t < all + used; t++) {
		if (t->timer && !--t->timer) timer(t);
		if (t->ack_timer && !--t->ack_timer) send_ack(t);
	}
	net_settle();
}
