/*
 * byte_range.h - what part of a file a Range header asks for (RFC 9110, 14.2): one range of bytes. Several at once, other
 * units and nonsense are answered with the whole file, as the RFC allows.
 */
#ifndef BYTE_RANGE_H
#define BYTE_RANGE_H

#include "base.h"

enum byte_range { RANGE_ALL, RANGE_PART, RANGE_NONE };  /* RANGE_NONE: it begins behind the end, 416 */

/* header may be NULL. RANGE_PART: from *ret_from on *ret_n bytes, at least 1. */
enum byte_range byte_range_parse(const char *header, uint64_t size, uint64_t *ret_from, uint64_t *ret_n);

#endif
