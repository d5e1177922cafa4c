#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#define HASH_BYTES 32
#define FILE_NAME  (2 + 1 + 62 + 1)     /* "ab/cdef..." */
#define HEAD_BYTES 256                  /* a writer remembers */

static int make_parents(const char *path, struct err *err)
{
	scoped(free_p) char *p = xstrdup(path);

	for (char *at = p + 1; ; at++) {
		char was = *at;

		if (was != '/' && was != '\0')
			continue;
		*at = '\0';
		if (mkdir(p, 0750) < 0 && errno != EEXIST)
			return err_set(err, ERR_RETRY, "cannot make the artifact directory '%s': %s", p, strerror(errno));
		*at = was;
		if (!was)
			return 0;
	}
}

int store_open(struct store *s, const char *path, struct err *err)
{
	int dir;

	if (!*path)
		return err_set(err, ERR_REJECT, "the artifact directory has no name");
	if (make_parents(path, err) < 0)
		return -1;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, ERR_RETRY, "cannot open the artifact directory '%s': %s", path, strerror(errno));
	*s = (struct store){ .path = xstrdup(path), .dir = dir };
	return 0;
}

void store_close(struct store *s)
{
	if (s->path)
		close(s->dir);
	free(s->path);
	*s = (struct store){ .dir = -1 };
}

bool digest_is(const char *text)
{
	return strlen(text) == DIGEST_TEXT - 1 && strspn(text, "0123456789abcdef") == DIGEST_TEXT - 1;
}

static void file_name(const char *digest, char name[FILE_NAME])
{
	snprintf(name, FILE_NAME, "%.2s/%.62s", digest, digest + 2);
}

void store_path(const struct store *s, const char *digest, char *path, size_t size)
{
	char name[FILE_NAME];

	file_name(digest, name);
	snprintf(path, size, "%s/%s", s->path, name);
}

/* NFS and some others know no unnamed files: a named one that store_commit() unlinks and
 * store_collect() sweeps up when nobody committed it. */
static int create_named(struct store *s)
{
	char name[64];
	uint64_t r[2];

	randombytes_buf(r, sizeof r);
	snprintf(name, sizeof name, STORE_TEMPORARY "/%016llx%016llx", (unsigned long long)r[0], (unsigned long long)r[1]);
	if (mkdirat(s->dir, STORE_TEMPORARY, 0750) < 0 && errno != EEXIST)
		return -1;
	return openat(s->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
}

int store_create(struct store *s, int *ret_fd, struct err *err)
{
	int fd = openat(s->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
		fd = create_named(s);
	if (fd < 0)
		return err_set(err, ERR_RETRY, "cannot write into the artifact directory '%s': %s", s->path, strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int hash_file(int fd, char digest[DIGEST_TEXT], size_t *ret_size)
{
	char chunk[65536];
	crypto_generichash_state state;
	uint8_t hash[HASH_BYTES];
	off_t at = 0;
	ssize_t n;

	crypto_generichash_init(&state, NULL, 0, sizeof hash);
	while ((n = pread(fd, chunk, sizeof chunk, at)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		crypto_generichash_update(&state, (const uint8_t *)chunk, (size_t)n);
		at += n;
	}
	crypto_generichash_final(&state, hash, sizeof hash);
	sodium_bin2hex(digest, DIGEST_TEXT, hash, sizeof hash);
	*ret_size = (size_t)at;
	return 0;
}

#define FD_PATH 32

/* Where the kernel shows what fd is. */
static const char *fd_path(int fd, char path[FD_PATH])
{
	snprintf(path, FD_PATH, "/proc/self/fd/%d", fd);
	return path;
}

static void unlink_temporary(struct store *s, const char *proc_path)
{
	char target[4096];
	ssize_t n = readlink(proc_path, target, sizeof target - 1);
	const char *name;

	if (n <= 0)
		return;
	target[n] = '\0';
	name = strrchr(target, '/');
	if (name && name - target > 4 && strncmp(name - 4, "/" STORE_TEMPORARY, 4) == 0)
		unlinkat(s->dir, name - 3, 0);
}

void store_discard(struct store *s, int *take_fd)
{
	char path[FD_PATH];

	if (*take_fd < 0)
		return;
	unlink_temporary(s, fd_path(*take_fd, path));
	close(*take_fd);
	*take_fd = -1;
}

static int fail_write(struct store *s, struct err *err)
{
	return err_set(err, ERR_RETRY, "cannot write an artifact in '%s': %s", s->path, strerror(errno));
}

static int write_all(struct store *s, int fd, const char *at, size_t left, struct err *err)
{
	while (left > 0) {
		ssize_t w = write(fd, at, left);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return fail_write(s, err);
		at += w, left -= (size_t)w;
	}
	return 0;
}

static int copy_bytes(struct store *s, int from, int to, struct err *err)
{
	char piece[65536];
	off_t at = 0;

	for (;;) {
		ssize_t n = pread(from, piece, sizeof piece, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_write(s, err);
		if (n == 0)
			return 0;
		if (write_all(s, to, piece, (size_t)n, err) < 0)
			return -1;
		at += n;
	}
}

static int replace_by_copy(struct store *s, int *fd, const char *proc_path, struct err *err)
{
	scoped(close_p) int copy = -1;

	if (store_create(s, &copy, err) < 0 || copy_bytes(s, *fd, copy, err) < 0)
		return -1;
	unlink_temporary(s, proc_path);
	close(*fd);
	*fd = copy;
	copy = -1;
	return 0;
}

/* The kernel gives a read lease only on what nobody has open for writing; NFS, for example, gives none at all. */
int store_own(struct store *s, int *fd, struct err *err)
{
	char path[FD_PATH];
	int reading = open(fd_path(*fd, path), O_RDONLY | O_CLOEXEC);

	if (reading < 0)
		return err_set(err, ERR_RETRY, "cannot read back an artifact in '%s': %s", s->path, strerror(errno));
	close(*fd);
	*fd = reading;
	if (fcntl(reading, F_SETLEASE, F_RDLCK) == 0)
		return fcntl(reading, F_SETLEASE, F_UNLCK) == 0 ? 0 : fail_write(s, err);
	return replace_by_copy(s, fd, fd_path(reading, path), err);
}

/* A power cut may leave a name without all of its bytes: then what is there is not it. */
static bool is_whole(struct store *s, const char *name, size_t size)
{
	struct stat st;

	return fstatat(s->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size == size;
}

/* 0 when the file has its name, or had it already. Loops while a collector takes it away. */
static int link_or_touch(struct store *s, const char *from, const char *name, size_t size)
{
	for (int tries = 0; tries < 100; tries++) {
		char dir[3] = { name[0], name[1], '\0' };

		if (linkat(AT_FDCWD, from, s->dir, name, AT_SYMLINK_FOLLOW) == 0)
			return 0;
		if (errno == ENOENT) {
			if (mkdirat(s->dir, dir, 0750) < 0 && errno != EEXIST)
				return -1;
			continue;
		}
		if (errno != EEXIST)
			return -1;
		if (!is_whole(s, name, size)) {
			unlinkat(s->dir, name, 0);
			continue;
		}
		if (utimensat(s->dir, name, NULL, 0) == 0)
			return 0;
	}
	errno = EAGAIN;
	return -1;
}

/* A name is on the disk when its directory is. */
static int sync_dir(struct store *s, const char *digest)
{
	const char dir[3] = { digest[0], digest[1], '\0' };
	scoped(close_p) int fd = openat(s->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -1 : fsync(fd);
}

/* item->fd becomes -1 when the store has these bytes: maybe since a moment ago, and not on the disk yet. */
static void look_up(struct store *s, struct store_item *item)
{
	char name[FILE_NAME], from[FD_PATH];

	file_name(item->digest, name);
	if (is_whole(s, name, item->size) && utimensat(s->dir, name, NULL, 0) == 0) {
		unlink_temporary(s, fd_path(item->fd, from));
		item->fd = -1;
	}
}

static int hash_item(struct store *s, int fd, struct store_item *ret, struct err *err)
{
	*ret = (struct store_item){ .fd = fd };
	if (hash_file(fd, ret->digest, &ret->size) < 0)
		return err_set(err, ERR_RETRY, "cannot read back an artifact in '%s': %s", s->path, strerror(errno));
	return 0;
}

/* The bytes first, then the name: so a name always means all of the bytes. */
static void name_bytes(struct store *s, struct store_item *item)
{
	char name[FILE_NAME], from[FD_PATH];

	if (item->fd < 0)
		return;
	file_name(item->digest, name);
	fd_path(item->fd, from);
	if (fdatasync(item->fd) < 0 || fchmod(item->fd, 0440) < 0 || link_or_touch(s, from, name, item->size) < 0)
		item->error = errno;
	else
		unlink_temporary(s, from);
}

static bool is_synced_before(struct store_item *const *items, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (memcmp(items[k]->digest, items[i]->digest, 2) == 0 && !items[k]->error)
			return true;
	return false;
}

/* What the first waits for does for most of the others too: the journal is written once. */
static void keep_all(struct store *s, struct store_item *const *items, size_t n)
{
	for (size_t i = 0; i < n && n > 1; i++)
		if (items[i]->fd >= 0)
			sync_file_range(items[i]->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; i < n; i++)
		name_bytes(s, items[i]);
	for (size_t i = 0; i < n; i++)
		if (!items[i]->error && !is_synced_before(items, i) && sync_dir(s, items[i]->digest) < 0)
			items[i]->error = errno;
}

int store_prepare(struct store *s, int *take_fd, struct store_item *ret, struct err *err)
{
	struct store_item item;

	if (hash_item(s, *take_fd, &item, err) < 0)
		return -1;
	look_up(s, &item);
	if (item.fd < 0)
		close(*take_fd);
	*take_fd = -1;
	*ret = item;
	return 0;
}

void store_sync(struct store *s, struct store_item *const *items, size_t n)
{
	keep_all(s, items, n);
	for (size_t i = 0; i < n; i++)
		store_item_done(items[i]);
}

void store_item_done(struct store_item *item)
{
	close_p(&item->fd);
	item->fd = -1;
}

static int keep_one(struct store *s, struct store_item *item, char ret_digest[DIGEST_TEXT], size_t *ret_size, struct err *err)
{
	look_up(s, item);
	keep_all(s, (struct store_item *const[]){ item }, 1);
	if (item->error)
		return err_set(err, ERR_RETRY, "cannot keep an artifact in '%s': %s", s->path, strerror(item->error));
	memcpy(ret_digest, item->digest, DIGEST_TEXT);
	*ret_size = item->size;
	return 0;
}

int store_commit(struct store *s, int fd, char ret_digest[DIGEST_TEXT], size_t *ret_size, struct err *err)
{
	struct store_item item;

	return hash_item(s, fd, &item, err) < 0 ? -1 : keep_one(s, &item, ret_digest, ret_size, err);
}

/* ---- hashed while it comes ---- */

struct store_writer {
	struct store *store;
	int fd;
	size_t size;
	char head[HEAD_BYTES];
	uint8_t state[sizeof(crypto_generichash_state) + 64];   /* wherever in it a line of the cache begins */
};

static crypto_generichash_state *state_of(struct store_writer *w)
{
	return (crypto_generichash_state *)(((uintptr_t)w->state + 63) & ~(uintptr_t)63);
}

int store_writer_new(struct store *s, struct store_writer **ret, struct err *err)
{
	struct store_writer *w;
	int fd;

	if (store_create(s, &fd, err) < 0)
		return -1;
	w = xcalloc(1, sizeof *w);
	w->store = s;
	w->fd = fd;
	crypto_generichash_init(state_of(w), NULL, 0, HASH_BYTES);
	*ret = w;
	return 0;
}

int store_write(struct store_writer *w, const void *bytes, size_t n, struct err *err)
{
	if (write_all(w->store, w->fd, bytes, n, err) < 0)
		return -1;
	crypto_generichash_update(state_of(w), bytes, n);
	if (w->size < sizeof w->head)
		memcpy(w->head + w->size, bytes, min_of(n, sizeof w->head - w->size));
	w->size += n;
	return 0;
}

size_t store_writer_head(const struct store_writer *w, void *to, size_t n)
{
	size_t have = min_of(w->size, sizeof w->head);

	n = min_of(n, have);
	memcpy(to, w->head, n);
	return n;
}

int store_writer_commit(struct store_writer *w, char ret_digest[DIGEST_TEXT], size_t *ret_size, struct err *err)
{
	struct store_item item = { .fd = w->fd, .size = w->size };
	uint8_t hash[HASH_BYTES];

	crypto_generichash_final(state_of(w), hash, sizeof hash);
	sodium_bin2hex(item.digest, DIGEST_TEXT, hash, sizeof hash);
	return keep_one(w->store, &item, ret_digest, ret_size, err);
}

void store_writer_free(struct store_writer *w)
{
	if (w)
		close(w->fd);
	free(w);
}

int store_put(struct store *s, const void *bytes, size_t n, char ret_digest[DIGEST_TEXT], struct err *err)
{
	scoped(close_p) int fd = -1;
	size_t size;

	if (store_create(s, &fd, err) < 0 || write_all(s, fd, bytes, n, err) < 0)
		return -1;
	return store_commit(s, fd, ret_digest, &size, err);
}

int store_get(struct store *s, const char *digest, int *ret_fd, size_t *ret_size, struct err *err)
{
	scoped(close_p) int fd = -1;
	char name[FILE_NAME];
	struct stat st;

	if (!digest_is(digest))
		return err_set(err, ERR_REJECT, "'%.80s' is not the name of an artifact: 64 hexadecimal digits, lower case", digest);
	file_name(digest, name);
	fd = openat(s->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return err_set(err, ERR_REJECT, "there is no artifact '%s/%s'", s->path, name);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, ERR_RETRY, "cannot read the artifact '%s/%s': %s", s->path, name, strerror(errno));
	*ret_fd = fd;
	*ret_size = (size_t)st.st_size;
	fd = -1;
	return 0;
}
