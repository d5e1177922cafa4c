/*
 * report.h - what a worker says of one execution, checked before the ledger sees it.
 * Shape: task_report() in shared/task.h.
 */
#ifndef REPORT_H
#define REPORT_H

#include "ledger.h"

#define REPORT_DATA_MAX      (64u << 10)        /* bytes of compact JSON */
#define REPORT_ARTIFACTS_MAX 1000
#define REPORT_MESSAGE_MAX   4096               /* bytes; a longer one is cut */

/* A new OP_REPORT; ERR_REJECT with what is wrong and what is allowed. */
int report_parse(const json_t *report, struct op **ret, struct err *err) must_use;

#endif
