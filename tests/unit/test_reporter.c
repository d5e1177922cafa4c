#include "test.h"

#include "clock.h"
#include "http_stub.h"
#include "reporter.h"
#include "sync.h"
#include "worker.h"

#include <string.h>

#define MANY    1100            /* more than a reporter is full with */
#define LONG_MS 60000

/* A dispatcher that says nothing until it may. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t opens;
	bool is_open;
};

static int answer_when_open(void *arg, const char *request, struct buf *head, struct buf *body)
{
	struct gate *g = arg;

	(void)request, (void)head;
	lock(&g->lock);
	while (!g->is_open)
		cond_wait(&g->opens, &g->lock);
	unlock(&g->lock);
	buf_puts(body, "{}");
	return 200;
}

static void open_gate(struct gate *g)
{
	scoped_lock(&g->lock);

	g->is_open = true;
	pthread_cond_broadcast(&g->opens);
}

static void push_forgotten(struct worker *w, size_t n)
{
	struct line all = { 0 };

	while (n--) {
		struct line one = { 0 };

		line_push(&one, held_new(NULL, "x", 1));
		one.first->end = END_FORGET;
		held_add(&w->held, &one);
		line_append(&all, &one);
	}
	reporter_push_all(&w->reporter, &all);
}

static void *wait_for_room(void *arg)
{
	struct reporter *r = arg;

	reporter_wait_room(r, LONG_MS);
	return NULL;
}

static bool somebody_waits(struct reporter *r)
{
	scoped_lock(&r->lock);

	return r->wait_room > 0;
}

TEST(threads_who_waits_for_room_goes_on_when_what_has_ended_is_gone)
{
	struct gate gate = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };
	struct worker w = { 0 };
	struct http_stub stub;
	struct conf conf;
	struct err err;
	scoped(free_p) char *setting = NULL;
	int64_t began_ms = clock_mono_ms();
	pthread_t waiter;

	http_stub_open(&stub, answer_when_open, &gate);
	setting = xasprintf("PIXELFLEET_DISPATCHER_URL=%s", stub.url);
	assert_int_equal(conf_load(&conf, (const char *const[]){ setting, "PROCESSING_INTERNAL_TOKEN=the-token", NULL }, &err), 0);
	w.conf = &conf;
	held_set_init(&w.held);
	mutex_init(&w.running_lock);
	assert_int_equal(reporter_start(&w.reporter, &w, &err), 0);
	push_forgotten(&w, MANY);
	assert_true(reporter_is_full(&w.reporter));
	must(pthread_create(&waiter, NULL, wait_for_room, &w.reporter) == 0);
	while (!somebody_waits(&w.reporter))
		clock_sleep_ms(1);
	open_gate(&gate);
	must(pthread_join(waiter, NULL) == 0);
	assert_true(clock_mono_ms() - began_ms < LONG_MS);
	assert_false(reporter_is_full(&w.reporter));
	reporter_stop(&w.reporter, 1000);
	reporter_done(&w.reporter);
	pthread_mutex_destroy(&w.running_lock);
	held_set_done(&w.held);
	conf_done(&conf);
	http_stub_close(&stub);
}
