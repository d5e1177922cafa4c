/*
 * handover.h - follow-ups go straight to the worker whose report made them ready.
 *
 * With its reports a worker says how much room it has for tasks of each queue:
 *	x-pixelfleet-room: {"worker":"host-4711-a1b2c3","room":{"io":70,"image":4}}
 * A task that becomes ready by one of these reports is then put into pixelfleet:running:<worker> instead of
 * pixelfleet:queue:<queue>, and its envelope comes back with the answer, byte for byte, as a JSON text:
 *	{"answers":["accepted"],"tasks":["{\"v\":1,...}"],"first":0}
 * The first `first` of them are of jobs of high priority. So a chain of steps needs no claim, runs where its pictures
 * are, and is finished before others are begun.
 *
 * Nothing is promised that a claim would not: the task is in `running` before the answer goes out, so when the answer
 * is lost it is an orphan that the worker adopts, and when the worker dies it is moved back with the rest (the script
 * `hand_over` finds out whether its heartbeat is there, and else uses the queue). What was handed over is in no queue:
 * it takes no room of the window, and passes a backlog by. A report that comes again has its follow-ups pushed again,
 * as ever. Probes of an open circuit go to the head of their queue, for whoever is first.
 *
 * Rooms are chosen before the commit, by one thread (handover_begin, _take for each push, _commit), and filled after it.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include "envelope.h"
#include "ledger.h"
#include "redis.h"

/* What one request of one worker has room for; shared by its operations. */
struct room;

struct room *room_parse(const char *header);            /* NULL: none, or it makes no sense */
struct room *room_ref(struct room *r);                  /* NULL is fine */
void room_unref(struct room *r);
/* ,"tasks":[...],"first":n -- or nothing */
void room_write(const struct room *r, struct buf *to);

void handover_begin(struct op **ops, size_t n);
/* Whether the task of `i` goes to a worker that reported one of its needs: i->hand is that room then. */
bool handover_take(struct wjob *j, struct inst *i);
/* What was taken since begin counts. */
void handover_commit(struct op **ops, size_t n);

/* All of `out` have a room. */
int handover_push(struct redis *redis, const struct outgoing *out, size_t n, struct err *err) must_use;

#endif
