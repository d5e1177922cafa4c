/*
 * intake.h - submissions from pixelfleet:jobs, and messages of the photo and text queues (origin.h), each exactly once.
 *
 * A submission moves, by one script, from the list into the hash pixelfleet:taken:<dispatcher> under an id that
 * was made beforehand and is the job's primary key; its entry goes away after commit and push. Whatever dies in
 * between, whoever finds the entry tries again with the same id and finds the job there or not.
 * The entry begins with the list's name: who adopts it reads it as that list's, or gives it back to a list that it
 * does not serve.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"

struct intake;

struct intake *intake_start(struct dispatcher *d);
void intake_stop(struct intake *i);

/* Takes over what a dead dispatcher had taken. */
int intake_adopt(struct dispatcher *d, struct pg *pg, struct redis *redis, const char *dead, struct err *err) must_use;

#endif
