/*
 * defstore.h - definitions in PostgreSQL, and the compiled ones this process has seen.
 */
#ifndef DEFSTORE_H
#define DEFSTORE_H

#include "definition.h"
#include "pg.h"

/* Stores a snapshot, or finds the one that is equal, and sets d->id. Outside of a transaction. */
int definition_store(struct pg *pg, struct definition *d, struct err *err) must_use;

/* A reference to the compiled definition `id`, from memory or PostgreSQL. Thread-safe. */
int definition_load(struct pg *pg, int64_t id, struct definition **ret, struct err *err) must_use;

/* The text in normal form of the pipeline with that name or id; ERR_REJECT when there is none. */
int pipeline_find(struct pg *pg, const char *name_or_id, char **ret_text, struct err *err) must_use;

#endif
