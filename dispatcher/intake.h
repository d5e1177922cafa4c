/*
 * intake.h - submissions from pixelfleet:jobs, and messages of the photo and text queues (origin.h), each exactly once.
 *
 * A submission moves, by one script, from the list into the hash pixelfleet:taken:<dispatcher> under an id that
 * was made beforehand and is the job's primary key; its entry goes away after commit and push. Whatever dies in
 * between, whoever finds the entry tries again with the same id and finds the job there or not (adopt.h).
 * The entry begins with the list's name: who adopts it reads it as that list's, or gives it back to a list that it
 * does not serve. One without a newline has no name, and is pixelfleet:jobs'.
 *
 * A thread takes and reads while what it took before is at the ledger, a few takes' worth at most (hauls.h).
 */
#ifndef INTAKE_H
#define INTAKE_H

#include "dispatcher.h"

struct intake;

struct intake *intake_start(struct dispatcher *d);
void intake_stop(struct intake *i);

#endif
