/* store_collect.c - taking away what nobody uses. */
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

/* Files have the time of the machine that keeps them. With a clock of our own that is ahead, everything would be old:
 * even what a worker has stored just now and not reported yet. */
static int64_t time_there(struct store *s)
{
	int64_t ours = clock_wall_us() / 1000000;
	struct stat st;

	return futimens(s->dir, NULL) == 0 && fstat(s->dir, &st) == 0 ? min_of((int64_t)st.st_mtim.tv_sec, ours) : 0;
}

static bool is_older(int dir, const char *name, int64_t before)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (int64_t)st.st_mtim.tv_sec < before;
}

static DIR *open_sub(struct store *s, const char *name)
{
	int fd = openat(s->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? NULL : fdopendir(fd);
}

static void closedir_p(DIR **d)
{
	if (*d)
		closedir(*d);
}

static size_t collect_sub(struct store *s, const char *sub, int64_t before, bool (*fn)(void *, const char *), void *arg)
{
	scoped(closedir_p) DIR *d = open_sub(s, sub);
	struct dirent *e;
	size_t n = 0;

	while (d && (e = readdir(d))) {
		char digest[DIGEST_TEXT];

		snprintf(digest, sizeof digest, "%.2s%.62s", sub, e->d_name);
		if (strlen(e->d_name) != DIGEST_TEXT - 3 || !digest_is(digest) || !is_older(dirfd(d), e->d_name, before))
			continue;
		/* Asking takes a while, and somebody may store the same bytes meanwhile: look again. */
		if (fn(arg, digest) && is_older(dirfd(d), e->d_name, before) && unlinkat(dirfd(d), e->d_name, 0) == 0)
			n++;
	}
	return n;
}

static void sweep_temporary(struct store *s, int64_t before)
{
	scoped(closedir_p) DIR *d = open_sub(s, STORE_TEMPORARY);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_older(dirfd(d), e->d_name, before))
			unlinkat(dirfd(d), e->d_name, 0);
}

size_t store_collect(struct store *s, unsigned age_s, bool (*fn)(void *arg, const char *digest), void *arg)
{
	int64_t before = time_there(s) - (int64_t)age_s;
	size_t n = 0;

	for (unsigned i = 0; i < 256; i++) {
		char sub[3];

		snprintf(sub, sizeof sub, "%02x", i);
		n += collect_sub(s, sub, before, fn, arg);
	}
	sweep_temporary(s, before);
	return n;
}
