/*
 * latency.c - how long one job takes on an idle system, as its client sees it.
 *
 *	latency event PORT JOBS SEED            until the message of its success (pixelfleet:events:*) is here
 *	latency poll PORT JOBS SEED URL         until PostgreSQL, asked every 50 us, has it as succeeded
 *
 * Each job is one no-op step, LPUSHed when the one before it has ended and a while of 5 to 25 ms has gone. Prints the
 * microseconds of each, one a line.
 */
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#define PATIENCE_S 10
#define WARM_TRIES 40

struct client {
	redisContext *push, *events;
	PGconn *pg;
	unsigned seed;
};

static _Noreturn void die(const char *what, const char *why)
{
	fprintf(stderr, "latency: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void rest_us(long us)
{
	const struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&t, NULL);
}

static redisContext *redis_connect(int port)
{
	redisContext *c = redisConnect("127.0.0.1", port);

	if (!c || c->err)
		die("Redis", c ? c->errstr : "out of memory");
	return c;
}

static void set_patience(redisContext *c, long ms)
{
	if (redisSetTimeout(c, (struct timeval){ ms / 1000, ms % 1000 * 1000 }) != REDIS_OK)
		die("Redis", c->errstr);
}

/* Pushes a job, with an id of its own when there is one to ask for. */
static void push(struct client *c, const char *id)
{
	char text[256];
	redisReply *reply;

	snprintf(text, sizeof text,
		"{%s%s%s\"pipeline\":{\"steps\":[{\"id\":\"a\",\"tool\":\"noop\"}]},\"images\":[\"http://pictures.invalid/0\"]}",
		id ? "\"id\":\"" : "", id ? id : "", id ? "\"," : "");
	reply = redisCommand(c->push, "LPUSH pixelfleet:jobs %s", text);
	if (!reply || reply->type == REDIS_REPLY_ERROR)
		die("LPUSH", reply ? reply->str : c->push->errstr);
	freeReplyObject(reply);
}

/* Whether the message of a success came in time. */
static int hear(struct client *c)
{
	for (;;) {
		redisReply *reply;
		int is_done;

		if (redisGetReply(c->events, (void **)&reply) != REDIS_OK)
			return 0;
		is_done = reply->type == REDIS_REPLY_ARRAY && reply->elements == 4 && strstr(reply->element[3]->str, "\"state\":\"succeeded\"");
		freeReplyObject(reply);
		if (is_done)
			return 1;
	}
}

static void subscribe(struct client *c, int port)
{
	redisReply *reply;

	c->events = redis_connect(port);
	reply = redisCommand(c->events, "PSUBSCRIBE pixelfleet:events:*");
	if (!reply || reply->type == REDIS_REPLY_ERROR)
		die("PSUBSCRIBE", reply ? reply->str : c->events->errstr);
	freeReplyObject(reply);
}

/* The dispatcher looks now and then whether anybody listens; until it has, nothing is said. What is still on its way then
 * goes to a connection that nobody reads from. */
static void warm_up(struct client *c, int port)
{
	for (int i = 0; i < WARM_TRIES; i++) {
		redisContext *warm;

		subscribe(c, port);
		set_patience(c->events, 500);
		push(c, NULL);
		warm = c->events;
		if (hear(c)) {
			rest_us(300000);
			subscribe(c, port);
			set_patience(c->events, PATIENCE_S * 1000L);
			redisFree(warm);
			return;
		}
		redisFree(warm);
	}
	die("events", "no message of a success came");
}

static void poll_end(struct client *c, const char *id)
{
	const char *values[] = { id };
	long until = now_us() + PATIENCE_S * 1000000L;

	for (;;) {
		PGresult *r = PQexecPrepared(c->pg, "done", 1, values, NULL, NULL, 0);
		int rows = PQntuples(r);

		if (PQresultStatus(r) != PGRES_TUPLES_OK)
			die("PostgreSQL", PQerrorMessage(c->pg));
		PQclear(r);
		if (rows > 0)
			return;
		if (now_us() > until)
			die(id, "did not succeed");
		rest_us(50);
	}
}

static void connect_pg(struct client *c, const char *url)
{
	PGresult *r;

	c->pg = PQconnectdb(url);
	if (PQstatus(c->pg) != CONNECTION_OK)
		die("PostgreSQL", PQerrorMessage(c->pg));
	r = PQprepare(c->pg, "done", "SELECT 1 FROM pixelfleet.job WHERE client_id = $1 AND state = 'succeeded'", 1, NULL);
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		die("PostgreSQL", PQerrorMessage(c->pg));
	PQclear(r);
}

static long one(struct client *c, int number, int seed)
{
	char id[64];
	long begin;

	rest_us(5000 + rand_r(&c->seed) % 20000);
	snprintf(id, sizeof id, "latency-%d-%d", seed, number);
	begin = now_us();
	push(c, c->pg ? id : NULL);
	if (c->pg)
		poll_end(c, id);
	else if (!hear(c))
		die("events", "no message of a success came");
	return now_us() - begin;
}

int main(int argc, char **argv)
{
	struct client c = { 0 };
	int port, jobs, seed, polls = argc > 1 && strcmp(argv[1], "poll") == 0;

	if (argc != (polls ? 6 : 5) || (!polls && strcmp(argv[1], "event") != 0)) {
		fprintf(stderr, "usage: latency event PORT JOBS SEED\n       latency poll PORT JOBS SEED DATABASE_URL\n");
		return 2;
	}
	port = (int)strtol(argv[2], NULL, 10);
	jobs = (int)strtol(argv[3], NULL, 10);
	seed = (int)strtol(argv[4], NULL, 10);
	c.seed = (unsigned)seed;
	c.push = redis_connect(port);
	if (polls)
		connect_pg(&c, argv[5]);
	else
		warm_up(&c, port);
	for (int i = 0; i < jobs; i++)
		printf("%ld\n", one(&c, i, seed));
	if (c.events)
		redisFree(c.events);
	redisFree(c.push);
	PQfinish(c.pg);
	return EXIT_SUCCESS;
}
