/*
 * delay_proxy.c - makes servers of this machine as far away as those of another one.
 *
 *	delay_proxy ONE_WAY_US LISTEN_PORT:TARGET_PORT...
 *
 * What comes to a LISTEN_PORT of 127.0.0.1 goes to its TARGET_PORT so many microseconds later, and the answers come back
 * so many microseconds late: a round trip takes twice that. All that is on its way is one queue, because all of it takes the
 * same time. Prints "ready" when it listens; ends when its standard input does.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PORTS = 8, PIECE = 64 << 10 };

struct end {
	struct link *link;
	int fd;
	struct piece *first, **last;    /* due, but the socket was full */
	int has_closed;                 /* nothing more comes from it */
	int is_watched;
};

struct link {
	struct end end[2];
	unsigned on_the_way;
	int is_dead;
};

struct piece {
	struct piece *next;
	struct end *to;
	long due_us;
	size_t n, done;
	char bytes[];                   /* none: the end */
};

static struct piece *way, **way_last = &way;
static int epoll, timer, targets[MOST_PORTS], listeners[MOST_PORTS];
static long delay_us;

static _Noreturn void die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* An end of which nothing is wanted is not watched at all: it would say again and again that it was hung up. */
static void watch(struct end *e)
{
	struct epoll_event ev = { .events = (e->has_closed ? 0 : EPOLLIN) | (e->first ? EPOLLOUT : 0), .data.ptr = e };
	int op = !ev.events ? EPOLL_CTL_DEL : e->is_watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if ((ev.events || e->is_watched) && epoll_ctl(epoll, op, e->fd, &ev) < 0)
		die("epoll_ctl");
	e->is_watched = ev.events != 0;
}

static void link_free(struct link *l)
{
	if (l->is_dead && l->on_the_way == 0)
		free(l);
}

static void link_close(struct link *l)
{
	if (l->is_dead)
		return;
	l->is_dead = 1;
	for (int i = 0; i < 2; i++) {
		struct end *e = &l->end[i];

		close(e->fd);
		while (e->first) {
			struct piece *p = e->first;

			e->first = p->next;
			l->on_the_way--;
			free(p);
		}
	}
}

static void set_timer(void)
{
	struct itimerspec t = { 0 };

	if (way)
		t.it_value = (struct timespec){ way->due_us / 1000000, way->due_us % 1000000 * 1000 };
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &t, NULL);
}

/* As much as the socket takes; 0 when there is something left. */
static int write_piece(struct piece *p)
{
	while (p->done < p->n) {
		ssize_t w = send(p->to->fd, p->bytes + p->done, p->n - p->done, MSG_NOSIGNAL);

		if (w < 0 && errno == EAGAIN)
			return 0;
		if (w < 0) {
			link_close(p->to->link);
			return 1;
		}
		p->done += (size_t)w;
	}
	if (p->n == 0)
		shutdown(p->to->fd, SHUT_WR);
	return 1;
}

static void arrived(struct piece *p)
{
	struct link *l = p->to->link;

	l->on_the_way--;
	free(p);
	if (!l->is_dead && l->on_the_way == 0 && l->end[0].has_closed && l->end[1].has_closed)
		link_close(l);
}

/* What is due goes on, or waits behind what waits for its socket. */
static void deliver(void)
{
	long now = now_us();

	while (way && way->due_us <= now) {
		struct piece *p = way;
		struct end *to = p->to;

		way = p->next;
		if (!way)
			way_last = &way;
		p->next = NULL;
		if (to->link->is_dead || (!to->first && write_piece(p))) {
			struct link *l = to->link;

			arrived(p);
			link_free(l);
			continue;
		}
		*to->last = p;
		to->last = &p->next;
		watch(to);
	}
	set_timer();
}

static void flush(struct end *e)
{
	while (e->first && !e->link->is_dead) {
		struct piece *p = e->first;

		if (!write_piece(p))
			return;
		if (e->link->is_dead)
			return;         /* it took its pieces along */
		e->first = p->next;
		if (!e->first)
			e->last = &e->first;
		arrived(p);
	}
	if (!e->link->is_dead)
		watch(e);
}

static void take(struct end *from)
{
	static char bytes[PIECE];
	ssize_t n = recv(from->fd, bytes, sizeof bytes, 0);
	struct link *l = from->link;
	struct piece *p;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		link_close(l);
		return;
	}
	p = calloc(1, sizeof *p + (size_t)n);
	if (!p)
		die("calloc");
	memcpy(p->bytes, bytes, (size_t)n);
	p->n = (size_t)n;
	p->to = from == &l->end[0] ? &l->end[1] : &l->end[0];
	p->due_us = now_us() + delay_us;
	l->on_the_way++;
	*way_last = p;
	way_last = &p->next;
	if (way == p)
		set_timer();
	if (n == 0) {
		from->has_closed = 1;
		watch(from);
	}
}

static struct sockaddr_in at(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void accept_one(int which)
{
	int fds[2] = { accept4(listeners[which], NULL, NULL, SOCK_CLOEXEC), socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) }, one = 1;
	struct sockaddr_in target = at(targets[which]);
	struct link *l;

	if (fds[0] < 0 || fds[1] < 0 || connect(fds[1], (struct sockaddr *)&target, sizeof target) < 0) {
		close(fds[0]);
		close(fds[1]);
		return;
	}
	l = calloc(1, sizeof *l);
	if (!l)
		die("calloc");
	for (int i = 0; i < 2; i++) {
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
		l->end[i] = (struct end){ .link = l, .fd = fds[i] };
		l->end[i].last = &l->end[i].first;
		watch(&l->end[i]);
	}
}

static void listen_at(int which, const char *arg)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &listeners[which] };
	struct sockaddr_in here;
	int one = 1, port;

	if (sscanf(arg, "%d:%d", &port, &targets[which]) != 2) {
		fprintf(stderr, "delay_proxy: '%s' is not LISTEN_PORT:TARGET_PORT\n", arg);
		exit(2);
	}
	here = at(port);
	listeners[which] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listeners[which], SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listeners[which], (struct sockaddr *)&here, sizeof here) < 0 || listen(listeners[which], 128) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[which], &ev) < 0)
		die(arg);
}

static void handle_end(struct end *e, unsigned events)
{
	struct link *l = e->link;

	if (e->first && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		flush(e);
	if (!l->is_dead && !e->has_closed && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		take(e);
	link_free(l);
}

static void handle(const struct epoll_event *ev)
{
	void *who = ev->data.ptr;

	if (!who)
		exit(EXIT_SUCCESS);
	if (who == &timer)
		deliver();
	else if ((int *)who >= listeners && (int *)who < listeners + MOST_PORTS)
		accept_one((int)((int *)who - listeners));
	else
		handle_end(who, ev->events);
}

int main(int argc, char **argv)
{
	struct epoll_event clock = { .events = EPOLLIN, .data.ptr = &timer }, input = { .events = EPOLLIN | EPOLLHUP }, ev;

	if (argc < 3 || argc - 2 > MOST_PORTS || (delay_us = strtol(argv[1], NULL, 10)) < 0) {
		fprintf(stderr, "usage: delay_proxy ONE_WAY_US LISTEN_PORT:TARGET_PORT...\n");
		return 2;
	}
	epoll = epoll_create1(EPOLL_CLOEXEC);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &clock) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
		die("epoll");
	for (int i = 2; i < argc; i++)
		listen_at(i - 2, argv[i]);
	puts("ready");
	fflush(stdout);
	/* One at a time: what is freed cannot be in the events that are left. */
	for (;;)
		if (epoll_wait(epoll, &ev, 1, -1) == 1)
			handle(&ev);
}
