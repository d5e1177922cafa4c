/* spec.h - which queues a worker serves and with how many slots each: "image=2,infer=1,io=4". */
#ifndef SPEC_H
#define SPEC_H

#include "err.h"

#define SPEC_QUEUES 32
#define SPEC_NAME   64
#define SPEC_SLOTS  256         /* most of one queue */

struct spec {
	char queue[SPEC_QUEUES][SPEC_NAME];
	unsigned slots[SPEC_QUEUES];
	size_t n;
};

int spec_parse(const char *text, struct spec *ret, struct err *err) must_use;

#endif
