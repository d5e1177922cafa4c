/*
 * probe.h - what can be seen, reached and written from inside the sandbox. Built with -DFAULTS only; see misbehave.h.
 */
#ifndef PROBE_H
#define PROBE_H

#include <jansson.h>

json_t *probe(void);            /* a new object */

#endif
