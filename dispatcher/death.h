/*
 * death.h - a worker's death, charged to a step that it was running: once, however often it is told.
 *
 * A dispatcher that charges a death may lose PostgreSQL, or its own life, before it has taken the dead worker off
 * the books; then it, or another one, charges again. The row of the death has an id that follows from who died of
 * what, so whether it is there tells whether it was charged.
 */
#ifndef DEATH_H
#define DEATH_H

#include "ledger.h"
#include "pg.h"

/* The id (a UUID) of an OP_DEATH's row in table attempt. */
void death_run(const struct op *op, char text[37]);
/* Sets was_charged of each OP_DEATH. Within the batch's transaction, with the jobs locked. */
int deaths_find_charged(struct pg *pg, struct op **ops, size_t n, struct err *err) must_use;

#endif
