/*
 * breaker_share.h - the breakers as all dispatchers and workers know them.
 *
 *	pixelfleet:breakers             set: backends that have a key
 *	pixelfleet:breaker:<backend>    string: breaker_json(); a closed one expires
 *
 * Each dispatcher reads them a few times a second and writes what it knows better. Redis may lose them: who has one open
 * in memory writes it again. Each time that a breaker is open has a random name (`opening`), so that a closing is told
 * from a loss, and an old closing from a new opening.
 */
#ifndef BREAKER_SHARE_H
#define BREAKER_SHARE_H

#include "breaker.h"
#include "redis.h"

int breakers_share(struct breakers *b, struct redis *redis, struct err *err) must_use;

#endif
