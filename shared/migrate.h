/* migrate.h - brings the schema up to date: applies the numbered files of sql/ that are missing, each in a
 * transaction, under an advisory lock. Says on `to` (may be NULL) what it did. */
#ifndef MIGRATE_H
#define MIGRATE_H

#include "err.h"

#include <stdio.h>

int migrate_run(const char *database_url, FILE *to, struct err *err) must_use;

#endif
