/*
 * dispatcher.h - what the dispatcher's parts share. Read-only after start but for `stopping`.
 */
#ifndef DISPATCHER_H
#define DISPATCHER_H

#include "conf.h"
#include "ledger.h"
#include "seal.h"

struct breakers;
struct definition_cache;
struct origins;
struct queues;
struct purge;

struct dispatcher {
	struct conf conf;
	struct sealer sealer;
	char id[128];                   /* <host>-<pid>-<6 hex>, unique for each start */
	struct ledger *ledger;
	_Atomic bool stopping;
	/* What housekeeping saw last, for /ready: each is a monotonic time in ms, 0 never. */
	_Atomic int64_t redis_seen_ms, pg_seen_ms;
	_Atomic int64_t chores_ms, watch_ms;    /* when the loops of housekeeping and watch last went round */
	_Atomic bool redis_noeviction;  /* maxmemory-policy is noeviction */
	_Atomic bool rebuilding;
	_Atomic bool pushes_owed;       /* a push failed after its commit: the queues must be compared with PostgreSQL */
	_Atomic bool events_wanted;     /* somebody subscribes to pixelfleet:events:* */
	struct queues *queues;
	struct purge *purge;
	struct breakers *breakers;
	struct origins *origins;
	struct definition_cache *definitions;   /* of submissions, by their bytes */
};

#endif
