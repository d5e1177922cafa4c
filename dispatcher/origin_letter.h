/*
 * origin_letter.h - the dead letters of photo and text messages (origin.h).
 *
 * {the message's own members,"error":"ocr: this step failed because ..."}, or of what is no JSON object
 * {"message":"the bytes","error":"..."}: once on the list's dead letters, when the message was refused or its job has
 * ended otherwise than succeeded. The row is written with that very commit (table origin_letter); housekeeping pushes
 * what is owed, and marks it. A key in Redis, of each letter, tells what was pushed and not marked yet.
 */
#ifndef ORIGIN_LETTER_H
#define ORIGIN_LETTER_H

#include "dispatcher.h"
#include "pg.h"
#include "redis.h"
#include "work.h"

/* Sends the rows of a batch: of jobs that end in it, and of messages refused in it. */
int origin_letters_send(struct pg *pg, struct work *w, struct op **ops, size_t n, struct err *err) must_use;

/* What is owed, some of it at a time. */
int origin_letters_push(struct dispatcher *d, struct pg *pg, struct redis *redis, struct err *err) must_use;

/* A member "error" that is there, from the last time, gives way. */
void origin_letter_text(const char *message, size_t len, const char *error, struct buf *to);

#endif
