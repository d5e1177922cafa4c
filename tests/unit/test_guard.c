#include "test.h"

#include "clock.h"
#include "guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONG_MS 60000
#define WAIT_MS 10000

/* Two ends of a connection: the server's is guarded. */
struct pair {
	int ours, theirs;
	struct guarded *guarded;
};

static void join(struct pair *p, struct guard *g)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof sa;
	scoped(close_p) int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listener, (void *)&sa, sizeof sa), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (void *)&sa, &len), 0);
	p->theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(p->theirs, (void *)&sa, sizeof sa), 0);
	p->ours = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(p->ours >= 0);
	p->guarded = guard_enter(g, p->ours);
}

static void part(struct pair *p)
{
	guard_leave(p->guarded);
	close(p->ours);
	close(p->theirs);
}

static bool is_cut(const struct pair *p)
{
	char block[4096];
	ssize_t n;

	while ((n = recv(p->theirs, block, sizeof block, MSG_DONTWAIT)) > 0)
		;
	return n == 0;
}

static bool wait_cut(const struct pair *p)
{
	for (int64_t until = clock_mono_ms() + WAIT_MS; !is_cut(p); clock_sleep_ms(2))
		if (clock_mono_ms() > until)
			return false;
	return true;
}

static struct guard_limits limits(unsigned most)
{
	return (struct guard_limits){ .most = most, .idle_ms = LONG_MS, .head_ms = LONG_MS, .window_ms = LONG_MS, .window_bytes = 1000,
		.sweep_ms = 5 };
}

TEST(threads_one_too_many_cuts_the_oldest_without_a_token)
{
	struct guard_limits l = limits(3);
	struct guard *g = guard_start(&l);
	struct pair p[6];

	join(&p[0], g);
	guard_trust(p[0].guarded, true);
	join(&p[1], g);
	guard_phase(p[1].guarded, GUARD_FREE);
	join(&p[2], g);
	join(&p[3], g);
	assert_true(is_cut(&p[2]));
	join(&p[4], g);
	assert_true(is_cut(&p[3]));
	guard_phase(p[4].guarded, GUARD_HEAD);
	join(&p[5], g);
	assert_true(is_cut(&p[4]));
	assert_false(is_cut(&p[0]) || is_cut(&p[1]) || is_cut(&p[5]));
	assert_int_equal(guard_count(g), 6);
	for (size_t i = 0; i < countof(p); i++)
		part(&p[i]);
	assert_int_equal(guard_count(g), 0);
	guard_stop(g);
}

TEST(threads_a_request_that_runs_is_never_cut)
{
	struct guard_limits l = limits(1);
	struct guard *g = guard_start(&l);
	struct pair p[3];

	for (size_t i = 0; i < countof(p); i++) {
		join(&p[i], g);
		guard_phase(p[i].guarded, GUARD_FREE);
	}
	for (size_t i = 0; i < countof(p); i++) {
		assert_false(is_cut(&p[i]));
		part(&p[i]);
	}
	guard_stop(g);
}

TEST(threads_each_phase_has_its_time_whatever_comes_meanwhile)
{
	struct guard_limits l = limits(10);
	struct pair idle, head, body, answer, running;
	struct guard *g;

	l.idle_ms = l.head_ms = l.window_ms = 20;
	g = guard_start(&l);
	join(&running, g);
	guard_phase(running.guarded, GUARD_FREE);
	join(&idle, g);
	join(&head, g);
	guard_phase(head.guarded, GUARD_HEAD);
	join(&body, g);
	guard_phase(body.guarded, GUARD_BODY);
	join(&answer, g);
	guard_phase(answer.guarded, GUARD_ANSWER);
	assert_int_equal(send(body.theirs, "x", 1, MSG_NOSIGNAL), 1);
	assert_true(wait_cut(&idle) && wait_cut(&head) && wait_cut(&body) && wait_cut(&answer));
	assert_false(is_cut(&running));
	part(&idle);
	part(&head);
	part(&body);
	part(&answer);
	part(&running);
	guard_stop(g);
}

/* The sender stops when enough windows have gone by; it is not cut before. */
TEST(threads_a_body_that_goes_on_may_take_as_long_as_it_likes)
{
	static const char block[2000];
	struct guard_limits l = limits(10);
	struct pair p;
	struct guard *g;
	char to[sizeof block];

	l.window_ms = 100;
	g = guard_start(&l);
	join(&p, g);
	guard_phase(p.guarded, GUARD_BODY);
	for (int64_t until = clock_mono_ms() + 500; clock_mono_ms() < until; clock_sleep_ms(5)) {
		assert_int_equal(send(p.theirs, block, sizeof block, MSG_NOSIGNAL), sizeof block);
		assert_int_equal(recv(p.ours, to, sizeof to, MSG_WAITALL), sizeof to);
	}
	assert_false(is_cut(&p));
	assert_true(wait_cut(&p));
	part(&p);
	guard_stop(g);
}

TEST(threads_what_was_cut_may_still_change_its_phase_until_it_leaves)
{
	struct guard_limits l = limits(1);
	struct guard *g = guard_start(&l);
	struct pair first, second;

	join(&first, g);
	join(&second, g);
	assert_true(is_cut(&first));
	guard_phase(first.guarded, GUARD_IDLE);
	guard_trust(first.guarded, true);
	part(&first);
	assert_false(is_cut(&second));
	part(&second);
	guard_stop(g);
}
