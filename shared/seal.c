#include "seal.h"

#include <string.h>

#include <sodium.h>

#define SEAL_BYTES 16
#define HEAD       ",\"seal\":\""
#define TAIL_LEN   (sizeof HEAD - 1 + 2 * SEAL_BYTES + 2)

static void derive(const char *token, uint8_t key[SEAL_KEY])
{
	static const char context[] = "pixelfleet envelope v1";
	uint8_t hashed[SEAL_KEY];

	/* The token may be of any length, a BLAKE2b key may not: hash it first. */
	crypto_generichash(hashed, sizeof hashed, (const uint8_t *)token, strlen(token), NULL, 0);
	crypto_generichash(key, SEAL_KEY, (const uint8_t *)context, sizeof context - 1, hashed, sizeof hashed);
	sodium_memzero(hashed, sizeof hashed);
}

void sealer_init(struct sealer *s, const char *token, const char *previous)
{
	derive(token, s->current);
	s->has_previous = *previous != '\0';
	if (s->has_previous)
		derive(previous, s->previous);
}

static void compute(const uint8_t key[SEAL_KEY], const char *bytes, size_t n, char hex[2 * SEAL_BYTES + 1])
{
	uint8_t mac[SEAL_BYTES];

	crypto_generichash(mac, sizeof mac, (const uint8_t *)bytes, n, key, SEAL_KEY);
	sodium_bin2hex(hex, 2 * SEAL_BYTES + 1, mac, sizeof mac);
}

void seal_add(const struct sealer *s, struct buf *b, size_t from)
{
	char hex[2 * SEAL_BYTES + 1];

	compute(s->current, b->text + from, b->len - from, hex);
	buf_puts(b, HEAD);
	buf_add(b, hex, 2 * SEAL_BYTES);
	buf_puts(b, "\"}");
}

int seal_check(const struct sealer *s, const char *envelope, size_t len, struct err *err)
{
	const char *tail = envelope + len - TAIL_LEN;
	char hex[2 * SEAL_BYTES + 1];

	if (len <= TAIL_LEN || memcmp(tail, HEAD, sizeof HEAD - 1) != 0 || memcmp(envelope + len - 2, "\"}", 2) != 0)
		return err_set(err, ERR_REJECT, "the task does not end in a seal: it was not made by a dispatcher, or was edited");
	compute(s->current, envelope, (size_t)(tail - envelope), hex);
	if (sodium_memcmp(hex, tail + sizeof HEAD - 1, 2 * SEAL_BYTES) == 0)
		return 0;
	if (s->has_previous) {
		compute(s->previous, envelope, (size_t)(tail - envelope), hex);
		if (sodium_memcmp(hex, tail + sizeof HEAD - 1, 2 * SEAL_BYTES) == 0)
			return 0;
	}
	return err_set(err, ERR_REJECT, "the task's seal does not fit its bytes: it was edited, or made with another internal token");
}
