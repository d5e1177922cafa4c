#include "reference.h"

#include "beneath.h"
#include "clock.h"
#include "gallery.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

/* Keys of the hashes: no bytes in the store can have a digest of this kind, or the other way round. */
#define VERSION_KEY     "pixelfleet: this version of a file"
#define FINGERPRINT_KEY "pixelfleet: what a copied file keeps"

#define FRESH_MS 20             /* longer than any kernel's tick; a clock elsewhere may be ahead for good */

static int64_t ns_of(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void hash_text(const char *key, size_t key_len, const char *text, size_t n, const char *more, size_t nmore, char *hex, size_t size)
{
	crypto_generichash_state state;
	uint8_t hash[32];
	size_t bytes = (size - 1) / 2;

	must(bytes <= sizeof hash);
	crypto_generichash_init(&state, (const uint8_t *)key, key_len, bytes);
	crypto_generichash_update(&state, (const uint8_t *)text, n);
	crypto_generichash_update(&state, (const uint8_t *)more, nmore);
	crypto_generichash_final(&state, hash, bytes);
	sodium_bin2hex(hex, size, hash, bytes);
}

static void name_version(const char *path, const struct stat *st, char digest[DIGEST_TEXT])
{
	char text[128];
	int n = snprintf(text, sizeof text, "%" PRIuMAX " %" PRIdMAX " %" PRId64 " %" PRId64 " ", (uintmax_t)st->st_ino,
		(intmax_t)st->st_size, ns_of(st->st_mtim), ns_of(st->st_ctim));

	hash_text(VERSION_KEY, sizeof VERSION_KEY - 1, text, (size_t)n, path, strlen(path), digest, DIGEST_TEXT);
}

static int read_head(int fd, char head[REFERENCE_HEAD], size_t *ret_n)
{
	size_t n = 0;

	while (n < REFERENCE_HEAD) {
		ssize_t r = pread(fd, head + n, REFERENCE_HEAD - n, (off_t)n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -1;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	*ret_n = n;
	return 0;
}

static int take_fingerprint(int fd, const struct stat *st, struct reference *r)
{
	char text[64];
	int n = snprintf(text, sizeof text, "%" PRIdMAX " %" PRId64 " ", (intmax_t)st->st_size, ns_of(st->st_mtim));

	if (read_head(fd, r->head, &r->head_len) < 0)
		return -1;
	hash_text(FINGERPRINT_KEY, sizeof FINGERPRINT_KEY - 1, text, (size_t)n, r->head, r->head_len, r->fingerprint,
		sizeof r->fingerprint);
	return 0;
}

/* The kernel writes times by a clock of a few ms. */
static int stat_settled(int fd, struct stat *st)
{
	for (int tries = 0;; tries++) {
		struct timespec now;

		if (fstat(fd, st) < 0)
			return -1;
		must(clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0);
		if (ns_of(st->st_ctim) < ns_of(now) || tries == FRESH_MS)
			return 0;
		clock_sleep_ms(1);
	}
}

static int cannot_read(const char *path, struct err *err)
{
	return err_set(err, ERR_RETRY, "cannot read '%.600s': %s", path, strerror(errno));
}

int reference_make(const char *path, int fd, struct reference *ret, struct err *err)
{
	struct stat st;

	if (stat_settled(fd, &st) < 0 || take_fingerprint(fd, &st, ret) < 0)
		return cannot_read(path, err);
	name_version(path, &st, ret->digest);
	ret->bytes = (size_t)st.st_size;
	return 0;
}

void reference_describe(const struct reference *r, const char *path, json_t *artifact)
{
	json_object_set_new(artifact, "by", json_string("reference"));
	json_object_set_new(artifact, "path", json_string(path));
	json_object_set_new(artifact, "fingerprint", json_string(r->fingerprint));
}

static const char *text_of(const json_t *artifact, const char *name)
{
	const char *s = json_string_value(json_object_get(artifact, name));

	return s ? s : "";
}

bool reference_is(const json_t *artifact)
{
	return strcmp(text_of(artifact, "by"), "reference") == 0;
}

static int has_changed(const json_t *artifact, const struct stat *st, struct err *err)
{
	json_int_t bytes = json_integer_value(json_object_get(artifact, "bytes"));
	const char *path = text_of(artifact, "path");
	char at[CLOCK_TEXT];

	clock_format(ns_of(st->st_mtim) / 1000, at);
	if (bytes != (json_int_t)st->st_size)
		return err_set(err, ERR_REJECT, "'%.600s' has changed since it was fetched by reference: it had %lld bytes and has %lld now, "
			"last written at %s", path, (long long)bytes, (long long)st->st_size, at);
	return err_set(err, ERR_REJECT, "'%.600s' has changed since it was fetched by reference: the file of %lld bytes that is there now "
		"was last written at %s", path, (long long)bytes, at);
}

static int check_version(const json_t *artifact, int fd, const struct stat *st, struct err *err)
{
	struct reference now;

	name_version(text_of(artifact, "path"), st, now.digest);
	if (strcmp(now.digest, text_of(artifact, "digest")) == 0)
		return 0;
	if (take_fingerprint(fd, st, &now) < 0)
		return cannot_read(text_of(artifact, "path"), err);
	return strcmp(now.fingerprint, text_of(artifact, "fingerprint")) == 0 ? 0 : has_changed(artifact, st, err);
}

int reference_open(const struct conf *conf, const json_t *artifact, int *ret_fd, size_t *ret_size, struct reference_watch *watch,
	struct err *err)
{
	const char *base = gallery_base(conf);
	scoped(free_p) char *roots = *base ? xasprintf("%s:%s", conf->allowed_roots, base) : xstrdup(conf->allowed_roots);
	scoped(close_p) int fd = -1;
	struct stat st;
	size_t size;

	if (beneath_open(roots, text_of(artifact, "path"), &fd, &size, err) < 0)
		return err_wrap(err, "the picture was fetched by reference, and cannot be read now");
	if (fstat(fd, &st) < 0)
		return cannot_read(text_of(artifact, "path"), err);
	if (check_version(artifact, fd, &st, err) < 0)
		return -1;
	if (watch)
		*watch = (struct reference_watch){ fd, (int64_t)st.st_size, ns_of(st.st_mtim) };
	*ret_fd = fd;
	*ret_size = (size_t)st.st_size;
	fd = -1;
	return 0;
}

int reference_recheck(const struct reference_watch *watch, const json_t *artifact, struct err *err)
{
	struct stat st;

	if (fstat(watch->fd, &st) < 0)
		return cannot_read(text_of(artifact, "path"), err);
	if ((int64_t)st.st_size == watch->size && ns_of(st.st_mtim) == watch->written_ns)
		return 0;
	has_changed(artifact, &st, err);
	return err_wrap(err, "while this step read it");
}

int artifact_open(const struct conf *conf, struct store *store, const json_t *artifact, int *ret_fd, size_t *ret_size,
	struct reference_watch *watch, struct err *err)
{
	if (reference_is(artifact))
		return reference_open(conf, artifact, ret_fd, ret_size, watch, err);
	if (watch)
		watch->fd = -1;
	return store_get(store, text_of(artifact, "digest"), ret_fd, ret_size, err);
}
