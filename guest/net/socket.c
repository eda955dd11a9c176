/* Stream sockets as file descriptors. A call blocks with interrupts off, which is what keeps it from missing a wakeup. */
#include "tcp.h"

enum { CALL_socket = 1, CALL_bind, CALL_connect, CALL_listen, CALL_accept, CALL_send = 9, CALL_recv, CALL_shutdown = 13 };
enum { AF_INET = 2, SOCK_STREAM = 1, SHUT_RD = 0 };

static const struct file_ops socket_ops;

/* Sleeps until something may have happened to the connection; -EINTR for a signal. */
static int wait_for(struct tcp *t)
{
	if (net_settle()) return 0;
	if (signals_due()) return -EINTR;
	sleep_on(&t->wait);
	return 0;
}

static int failure(struct tcp *t)
{
	int e = t->error;
	t->error = 0;
	return e ? -e : -ENOTCONN;
}

static int do_connect(struct tcp *t, const struct sockaddr *a)
{
	if (t->state != CLOSED) return -EISCONN;
	int err = tcp_connect(t, swap32(a->ip), swap16(a->port));
	while (!err && t->state == SYN_SENT) err = wait_for(t);
	while (!err && t->state == SYN_RECEIVED) err = wait_for(t);
	return err ? err : t->state == CLOSED ? failure(t) : 0;
}

static int do_accept(struct tcp *l, struct sockaddr *from)
{
	if (l->state != LISTEN) return -EINVAL;
	while (!l->ready) {
		int err = wait_for(l);
		if (err) return err;
	}
	struct tcp *t = l->ready;
	int fd = file_install(&socket_ops, t);
	if (fd < 0) return fd;
	l->ready = t->ready_next;
	l->ready_count--;
	t->listener = NULL;
	t->open = 1;
	if (from) *from = (struct sockaddr){ AF_INET, swap16(t->rport), swap32(t->rip) };
	return fd;
}

static int socket_read(struct file *f, void *to, u32 n)
{
	struct tcp *t = f->data;
	irq_t flags = irq_save();
	u32 done = 0;
	int err = 0;
	while (n && !t->in.head && !tcp_at_end(t) && !err) err = t->state < ESTABLISHED ? -ENOTCONN : wait_for(t);
	if (!t->in.head && t->error) err = failure(t);
	while (done < n && t->in.head) {
		struct packet *p = t->in.head;
		u32 part = p->len < n - done ? p->len : n - done;
		irq_enable();
		memcpy(to + done, p->data, part);
		irq_disable();
		p->data += part;
		p->len -= part;
		t->in_bytes -= part;
		done += part;
		if (!p->len) packet_put(packets_take(&t->in));
	}
	if (done) tcp_was_read(t);
	net_settle();
	irq_restore(flags);
	return done ? (int)done : err;
}

static int socket_write(struct file *f, const void *from, u32 n)
{
	struct tcp *t = f->data;
	irq_t flags = irq_save();
	u32 done = 0;
	int err = 0;
	while (done < n) {
		if ((t->state != ESTABLISHED && t->state != CLOSE_WAIT) || t->fin_queued) {
			err = t->error ? failure(t) : -EPIPE;
			if (err == -EPIPE) do_kill(current->pid, SIGPIPE);
			break;
		}
		u32 part = tcp_queue(t, from + done, n - done);
		done += part;
		if (part) { tcp_push(t); net_settle(); }
		else if ((err = wait_for(t))) break;
	}
	net_settle();
	irq_restore(flags);
	return done ? (int)done : err;
}

/* Unread data are lost with the connection, and the other side is told so (RFC 1122, 4.2.2.13). */
static void socket_release(struct file *f)
{
	struct tcp *t = f->data;
	irq_t flags = irq_save();
	if (t->state == LISTEN) tcp_unlisten(t);
	else if (t->state == SYN_SENT || (t->in.head && t->state != CLOSED && t->state != TIME_WAIT)) tcp_abort(t);
	else tcp_fin(t);
	tcp_drop(t);
	net_settle();
	irq_restore(flags);
}

static u32 socket_poll(struct file *f, struct poll_table *table)
{
	struct tcp *t = f->data;
	poll_wait(table, &t->wait);
	if (t->state == LISTEN) return t->ready ? POLL_IN : 0;
	int flows = t->state == ESTABLISHED || t->state == CLOSE_WAIT;
	return (t->in.head || tcp_at_end(t) ? POLL_IN : 0) | (t->state == CLOSED || (flows && t->out_bytes <= BUFFER / 2) ? POLL_OUT : 0);
}

static const struct file_ops socket_ops = { .read = socket_read, .write = socket_write, .poll = socket_poll, .release = socket_release };

static int do_socket(void)
{
	struct tcp *t = tcp_new();
	if (!t) return -ENOBUFS;
	t->open = 1;
	int fd = file_install(&socket_ops, t);
	if (fd < 0) t->open = 0;
	return fd;
}

static int with_socket(struct tcp *t, u32 call, const u32 *a)
{
	struct sockaddr *to = (void *)a[1];
	switch (call) {
	case CALL_bind:
		if (!user_ok(to, sizeof *to, 0)) return -EFAULT;
		return t->state != CLOSED || t->lport ? -EINVAL : tcp_bind(t, swap16(to->port));
	case CALL_connect: return user_ok(to, sizeof *to, 0) ? do_connect(t, to) : -EFAULT;
	case CALL_listen:
		if (t->state != CLOSED || !t->lport) return -EINVAL;
		tcp_listen(t, a[1]);
		return 0;
	case CALL_accept:
		if (to && !user_ok(to, sizeof *to, 1)) return -EFAULT;
		return do_accept(t, to);
	case CALL_shutdown:
		if (t->state < SYN_RECEIVED) return -ENOTCONN;
		if (a[1] != SHUT_RD) tcp_fin(t);
		return 0;
	}
	return -EINVAL;
}

/* Linux's socketcall: the call's number, then its arguments in memory. */
int sys_socketcall(u32 call, const u32 *a)
{
	if (!user_ok(a, 16, 0)) return -EFAULT;
	irq_t flags = irq_save();
	struct file *f = call == CALL_socket ? NULL : file_get(a[0]);
	struct tcp *t = f && f->ops == &socket_ops ? f->data : NULL;
	int n;
	if (call == CALL_socket) n = a[0] == AF_INET && a[1] == SOCK_STREAM ? do_socket() : -EPROTONOSUPPORT;
	else if (!t) n = -ENOTSOCK;
	else if (call == CALL_send) n = user_ok((void *)a[1], a[2], 0) ? socket_write(f, (void *)a[1], a[2]) : -EFAULT;
	else if (call == CALL_recv) n = user_ok((void *)a[1], a[2], 1) ? socket_read(f, (void *)a[1], a[2]) : -EFAULT;
	else n = with_socket(t, call, a);
	net_settle();
	irq_restore(flags);
	return n;
}
