/*
 * batch_rows.h - rows of job and step that a batch made or changed. Nearly all of them changed in one of a few ways, for
 * which there are statements with few columns; the rest goes by one with all.
 */
#ifndef BATCH_ROWS_H
#define BATCH_ROWS_H

#include "ledger.h"
#include "pg.h"
#include "work.h"

int send_new_jobs(struct pg *pg, struct op **ops, size_t n, struct work *w, struct err *err) must_use;
int send_jobs(struct pg *pg, const struct work *w, struct err *err) must_use;
/* changed: of work_changes() */
int send_steps(struct pg *pg, const struct push *changed, size_t n, struct err *err) must_use;

#endif
