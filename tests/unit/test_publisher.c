#include "publisher.h"
#include "test.h"

#include <pthread.h>
#include <stdlib.h>

#include <sched.h>

#define BATCHES 400

/* What was published and completed, by the number in `ordinal`. */
struct seen {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int published[BATCHES], npublished, completed, open;    /* open: batches handed over and not completed */
	bool is_held;                   /* publishing waits */
};

static void publish(struct committed *c, void *arg)
{
	struct seen *s = arg;

	pthread_mutex_lock(&s->lock);
	while (s->is_held)
		pthread_cond_wait(&s->changed, &s->lock);
	for (size_t k = 0; k < c->n; k++)
		assert_int_equal(c->ops[k]->status, OP_ACCEPTED);       /* not completed */
	s->published[s->npublished++] = c->ops[0]->ordinal;
	pthread_mutex_unlock(&s->lock);
}

static void done(struct op *op)
{
	struct seen *s = op->arg;

	pthread_mutex_lock(&s->lock);
	s->completed++;
	s->open--;
	pthread_mutex_unlock(&s->lock);
	op_free(op);
}

static void seen_init(struct seen *s)
{
	*s = (struct seen){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
}

static void hold(struct seen *s, bool on)
{
	pthread_mutex_lock(&s->lock);
	s->is_held = on;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static int look(struct seen *s, const int *at)
{
	int n;

	pthread_mutex_lock(&s->lock);
	n = *at;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static struct committed *batch(struct seen *s, int number)
{
	struct op *op = op_new(OP_CANCEL);

	op->ordinal = number;
	op->status = OP_ACCEPTED;
	op->done = done;
	op->arg = s;
	pthread_mutex_lock(&s->lock);
	s->open++;
	pthread_mutex_unlock(&s->lock);
	return committed_new(&op, 1);
}

TEST(threads_batches_are_published_in_the_order_of_their_commits_and_all_before_the_stop)
{
	struct seen s;
	struct publisher *p;

	seen_init(&s);
	p = publisher_start(publish, &s);
	for (int k = 0; k < BATCHES; k++)
		publisher_give(p, batch(&s, k), k % 3 == 0);
	publisher_stop(p);
	assert_int_equal(s.npublished, BATCHES);
	assert_int_equal(s.completed, BATCHES);
	for (int k = 0; k < BATCHES; k++)
		assert_int_equal(s.published[k], k);
}

struct giver {
	struct publisher *p;
	struct seen *s;
};

static void *give_all(void *arg)
{
	struct giver *g = arg;

	for (int k = 0; k < 20; k++)
		publisher_give(g->p, batch(g->s, k), false);
	return NULL;
}

TEST(threads_who_hands_over_waits_while_a_few_batches_are_not_published)
{
	struct seen s;
	struct giver g = { .s = &s };
	pthread_t thread;

	seen_init(&s);
	hold(&s, true);
	g.p = publisher_start(publish, &s);
	assert_int_equal(pthread_create(&thread, NULL, give_all, &g), 0);
	while (look(&s, &s.open) < 4)           /* three are taken, the fourth is in the giver's hand */
		sched_yield();
	for (int k = 0; k < 1000; k++)
		sched_yield();
	assert_int_equal(look(&s, &s.open), 4);
	hold(&s, false);
	pthread_join(thread, NULL);
	publisher_stop(g.p);
	assert_int_equal(s.completed, 20);
}

TEST(threads_a_batch_that_failed_is_completed_and_not_published)
{
	struct seen s;
	struct publisher *p;
	struct committed *c;

	seen_init(&s);
	p = publisher_start(publish, &s);
	c = batch(&s, 1);
	c->has_failed = true;
	publisher_give(p, c, false);
	publisher_give(p, batch(&s, 2), false);
	publisher_stop(p);
	assert_int_equal(s.npublished, 1);
	assert_int_equal(s.published[0], 2);
	assert_int_equal(s.completed, 2);
}

TEST(threads_with_nothing_under_way_who_hands_over_publishes_itself)
{
	struct seen s;
	struct publisher *p;

	seen_init(&s);
	p = publisher_start(publish, &s);
	for (int k = 0; k < 50; k++) {
		publisher_give(p, batch(&s, k), true);
		assert_int_equal(look(&s, &s.completed), k + 1);        /* no other thread had to */
	}
	publisher_stop(p);
}
