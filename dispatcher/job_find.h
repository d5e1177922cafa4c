/*
 * job_find.h - the job that a request names, by our id or by the client's own.
 */
#ifndef JOB_FIND_H
#define JOB_FIND_H

#include "request.h"
#include "uuid.h"

/* -1: it has answered, 404 when there is no such job. */
int job_find(struct request *req, const char *name, char ret[UUID_TEXT]) must_use;

#endif
