#include "publisher.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 2           /* batches; a third makes the ledger wait */

struct publisher {
	publish_fn publish;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more, fewer;
	struct committed *first, **last;
	size_t n;                       /* those waiting, and the one that is being published */
	bool stopping;
};

struct committed *committed_new(struct op **ops, size_t n)
{
	struct committed *c = xcalloc(1, sizeof *c + n * sizeof *ops);

	c->n = n;
	memcpy(c->ops, ops, n * sizeof *ops);
	return c;
}

static void finish(struct publisher *p, struct committed *c)
{
	if (!c->has_failed)
		p->publish(c, p->arg);
	work_done(&c->work);            /* it borrows from the operations */
	for (size_t k = 0; k < c->n; k++)
		c->ops[k]->done(c->ops[k]);
	free(c);
}

static struct committed *next(struct publisher *p)
{
	struct committed *c;

	must(pthread_mutex_lock(&p->lock) == 0);
	while (!p->first && !p->stopping)
		pthread_cond_wait(&p->more, &p->lock);
	c = p->first;
	if (c) {
		p->first = c->next;
		if (!p->first)
			p->last = &p->first;
	}
	must(pthread_mutex_unlock(&p->lock) == 0);
	return c;
}

static void one_less(struct publisher *p)
{
	must(pthread_mutex_lock(&p->lock) == 0);
	p->n--;
	pthread_cond_signal(&p->fewer);
	must(pthread_mutex_unlock(&p->lock) == 0);
}

static void *run(void *arg)
{
	struct publisher *p = arg;
	struct committed *c;

	while ((c = next(p))) {
		finish(p, c);
		one_less(p);
	}
	return NULL;
}

struct publisher *publisher_start(publish_fn publish, void *arg)
{
	struct publisher *p = xcalloc(1, sizeof *p);

	p->publish = publish;
	p->arg = arg;
	p->last = &p->first;
	must(pthread_mutex_init(&p->lock, NULL) == 0 && pthread_cond_init(&p->more, NULL) == 0 && pthread_cond_init(&p->fewer, NULL) == 0);
	must(pthread_create(&p->thread, NULL, run, p) == 0);
	pthread_setname_np(p->thread, "publisher");
	return p;
}

void publisher_stop(struct publisher *p)
{
	if (!p)
		return;
	must(pthread_mutex_lock(&p->lock) == 0);
	p->stopping = true;
	pthread_cond_signal(&p->more);
	must(pthread_mutex_unlock(&p->lock) == 0);
	pthread_join(p->thread, NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->more);
	pthread_cond_destroy(&p->fewer);
	free(p);
}

void publisher_give(struct publisher *p, struct committed *c, bool at_once)
{
	bool by_ourselves;

	must(pthread_mutex_lock(&p->lock) == 0);
	while (p->n > WAITING_MAX)
		pthread_cond_wait(&p->fewer, &p->lock);
	by_ourselves = at_once && p->n == 0;
	if (!by_ourselves) {
		c->next = NULL;
		*p->last = c;
		p->last = &c->next;
		p->n++;
		pthread_cond_signal(&p->more);
	}
	must(pthread_mutex_unlock(&p->lock) == 0);
	if (by_ourselves)               /* nobody else hands over: it stays idle until we are back */
		finish(p, c);
}
