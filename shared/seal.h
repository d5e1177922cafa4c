/*
 * seal.h - what a worker runs was made by a dispatcher.
 *
 * The seal of a task envelope is BLAKE2b (libsodium's crypto_generichash, 16 bytes) over
 * the exact bytes before it, keyed with BLAKE2b-256 of the context "pixelfleet envelope v1"
 * under the internal token. It is the envelope's last member:  ...,"seal":"<32 hex>"}
 */
#ifndef SEAL_H
#define SEAL_H

#include "buf.h"
#include "err.h"

#define SEAL_KEY 32

struct sealer {
	uint8_t current[SEAL_KEY];
	uint8_t previous[SEAL_KEY];
	bool has_previous;
};

/* previous may be "" (none). */
void sealer_init(struct sealer *s, const char *token, const char *previous);

/* `envelope` holds an object without its closing brace, from offset `from` to its end:
 * adds the seal and the brace. */
void seal_add(const struct sealer *s, struct buf *envelope, size_t from);

/* ERR_REJECT when the last member is not a seal made with the current or previous token. */
int seal_check(const struct sealer *s, const char *envelope, size_t len, struct err *err) must_use;

#endif
