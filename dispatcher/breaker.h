/*
 * breaker.h - circuit breakers: which backends do not answer, and what that means for the steps that need them.
 *
 * A backend is what steps talk to and cannot do without: "triton", "callback:HOST:PORT". Workers say in their reports
 * whose fault a failure was, and who answered. For each backend:
 *
 *	closed --BREAKER_OPENS_AFTER faults in a row--> open --the first answer--> closed
 *	open --longer than PIXELFLEET_BREAKER_PATIENCE_S--> overdue --the first answer--> closed
 *
 * While open, a step that needs the backend waits in table `retry` with its attempt not counted, and one step after
 * the other is let through as a probe (outage.h). Overdue is as good as closed, but that every fault is charged, so
 * that nothing waits for ever. A fault of "triton" is not charged while closed either: its client reports one only
 * when the server's health check has failed, too.
 *
 * This is the state machine: in memory, for any thread, told the time (monotonic, ms). breaker_share.h makes it
 * one with what the other dispatchers know.
 */
#ifndef BREAKER_H
#define BREAKER_H

#include "base.h"

#include <jansson.h>

#define BREAKER_NAME        128         /* room for a name; at most 120 bytes are taken */
#define BREAKER_OPENS_AFTER 5
#define BREAKER_OPENING     17

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_OVERDUE };

struct breaker {
	char name[BREAKER_NAME], why[300];
	char opening[BREAKER_OPENING];  /* random; names the time it is open from then on. Undefined before the first */
	enum breaker_state state;
	unsigned faults;                /* in a row */
	unsigned judged;                /* faults of the batch that is being applied */
	unsigned probes;                /* that failed since it opened */
	int64_t since_ms;               /* open since; monotonic, like the others */
	int64_t next_probe_ms;
	int64_t closed_ms;              /* when it was closed after it had been open; 0: never */
	int64_t touched_ms;             /* the last fault, deferral or answer */
	int64_t waiting;                /* steps, when the last probe was let through */
	bool is_probing;                /* a probe was let through and has not come back */
	bool is_news;                   /* Redis is to be told */
};

struct breakers;

/* patience_s: how long one stays open before faults are charged again; probe_s: most time between two probes. */
struct breakers *breakers_new(unsigned patience_s, unsigned probe_s);
void breakers_free(struct breakers *b);

bool breaker_is_name(const char *s);    /* 1 to 120 printable bytes */

/* A report that was accepted. `was_probe`: of a step that had been let through as one. */
void breakers_fault(struct breakers *b, const char *name, const char *why, bool was_probe, int64_t now_ms);
void breakers_answer(struct breakers *b, const char *name, int64_t now_ms);
void breakers_deferral(struct breakers *b, const char *name, int64_t now_ms);

/* Whether a fault of this backend is not charged as an attempt. For the ledger's thread, which judges all reports of a batch
 * before they count (breakers_fault): what it has judged since the last breakers_judging() opens the breaker, too. */
bool breakers_pardon(struct breakers *b, const char *name, int64_t now_ms);
void breakers_judging(struct breakers *b);
bool breakers_is_open(struct breakers *b, const char *name);

/* May steps that wait for it be pushed? Not while it is open, and not until workers have heard that it no longer is. */
bool breakers_may_flow(struct breakers *b, const char *name, int64_t now_ms);
/* Is a probe due? false also when it is not open. *ret is a copy. */
bool breakers_wants_probe(struct breakers *b, const char *name, int64_t now_ms, struct breaker *ret);
void breakers_probing(struct breakers *b, const char *name, int64_t now_ms);   /* one was let through */
void breakers_hold(struct breakers *b, const char *name, int64_t until_ms);    /* no probe before */
void breakers_waiting(struct breakers *b, const char *name, int64_t n);
/* How long until the next probe when so many have failed. */
unsigned breakers_interval_ms(const struct breakers *b, const char *name, unsigned probes);

/* Patience that ends; what nobody has needed for long is forgotten. */
void breakers_tick(struct breakers *b, int64_t now_ms);

/* Copies of all that are known, to be freed; *ret_n. */
struct breaker *breakers_all(struct breakers *b, size_t *ret_n);
size_t breakers_count(struct breakers *b);      /* without a lock: whether it is worth looking */

/* What another dispatcher says of a backend (`remote`, as read from Redis) becomes known here. */
void breakers_merge(struct breakers *b, const struct breaker *remote, int64_t now_ms);
void breakers_told(struct breakers *b, const char *name, const char *opening);  /* Redis knows */

/* {"backend","state":"open|half_open|overdue|closed","since","why","faults","probes","waiting","next_probe","opening"}; times are the
 * wall clock's, wall_us being what it shows at now_ms. */
json_t *breaker_json(const struct breaker *k, int64_t now_ms, int64_t wall_us);
/* The same, read; false: it is none. */
bool breaker_parse(const json_t *o, int64_t now_ms, int64_t wall_us, struct breaker *ret);

#endif
