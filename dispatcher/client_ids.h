/*
 * client_ids.h - clients' own ids of their jobs: the same id and body is one job, another body is refused.
 */
#ifndef CLIENT_IDS_H
#define CLIENT_IDS_H

#include "ledger.h"
#include "pg.h"

/* Takes the ids of the OP_ACCEPTs that have one, in their transaction, and tells those whose id is taken already which job
 * has it, and whether that is the same one (status, result_job). */
int client_ids_claim(struct pg *pg, struct op **ops, size_t n, struct err *err) must_use;

#endif
