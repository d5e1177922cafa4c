/*
 * utf8.h - bytes that somebody else made, as JSON text.
 *
 * Paths, decoder messages and what people push into Redis may hold anything. What goes into
 * a JSON document must be UTF-8: every byte that is not part of a well-formed sequence
 * (RFC 3629; no surrogates, nothing over U+10FFFF) becomes U+FFFD.
 */
#ifndef UTF8_H
#define UTF8_H

#include "buf.h"

/* Length of the well-formed sequence at s (1-4), or 0. */
size_t utf8_sequence(const char *s, size_t n);

/* How many of the first n bytes of a UTF-8 text are whole characters: n, or up to 3 less. */
size_t utf8_whole(const char *s, size_t n);

/* The n bytes as a JSON string, quoted and escaped; NUL becomes \u0000. */
void utf8_json_string(struct buf *b, const char *bytes, size_t n);

#endif
