/* Connections: what tcp.c and socket.c share. */
#ifndef TCP_H
#define TCP_H
#include "net.h"

enum { CLOSED, LISTEN, SYN_SENT, SYN_RECEIVED, ESTABLISHED, FIN_WAIT_1, FIN_WAIT_2, CLOSE_WAIT, CLOSING, LAST_ACK, TIME_WAIT };
#define BUFFER 65535u                         /* bytes on their way out, and bytes a reader may be behind: no window scaling */
struct tcp {
	int state, error;
	u32 lip, rip, mss;
	u16 lport, rport;
	struct tcp *hash_next;
	/* Sending: packets from the first not acknowledged; `unsent` is the first that is still (or again) to go. */
	struct packets out;
	struct packet *unsent;
	u32 una, nxt, wnd, wl1, wl2, cwnd, ssthresh, dup_acks, recover, out_bytes;
	u32 timer, rto, srtt, rttvar, rtt_seq, tries;   /* ticks; srtt in eighths, rttvar in quarters (RFC 6298) */
	u32 rtt_start, rtt_running, fin_queued;
	/* Receiving */
	struct packets in;
	struct packet *early;                     /* beyond a gap, by sequence number */
	u32 rcv_nxt, in_bytes, advertised, early_count, fin_seq, fin_early;
	u32 ack_due, ack_timer, segments;
	/* The socket */
	int open;                                 /* a program holds it */
	struct tcp *listener, *ready, *ready_tail, *ready_next;
	u32 ready_count, pending, backlog;
	struct waitq wait;
};

struct tcp *tcp_new(void);
void tcp_drop(struct tcp *t);                 /* the program lets go of a connection that is CLOSED */
int tcp_bind(struct tcp *t, u32 port);
int tcp_connect(struct tcp *t, u32 ip, u32 port);
void tcp_listen(struct tcp *t, u32 backlog);
int tcp_room(struct tcp *t);                  /* bytes that may be queued */
int tcp_queue(struct tcp *t, const void *from, u32 n);   /* bytes taken; interrupts are on while a program's memory is read */
void tcp_push(struct tcp *t);                 /* what may go, goes */
void tcp_fin(struct tcp *t);                  /* nothing more comes from us */
void tcp_abort(struct tcp *t);
void tcp_unlisten(struct tcp *l);
void tcp_was_read(struct tcp *t);             /* there is room in the window again */
static inline int tcp_at_end(struct tcp *t) { return t->state == CLOSE_WAIT || t->state >= CLOSING || t->state == CLOSED; }
#endif
