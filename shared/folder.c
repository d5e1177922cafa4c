#include "folder.h"

#include "utf8.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct names {
	char **at;
	size_t n, capacity;
};

static void names_free(struct names *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->at[i]);
	free(l->at);
}

static void names_add(struct names *l, const char *name)
{
	l->at = grow(l->at, l->n + 1, &l->capacity, sizeof *l->at);
	l->at[l->n++] = xstrdup(name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_picture_name(const char *name)
{
	static const char *const endings[] = { ".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".heic", ".heif", ".avif" };
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && *name != '.' && i < countof(endings); i++)
		if (strcasecmp(dot, endings[i]) == 0)
			return true;
	return false;
}

/* A line feed in a name would be one in a log, an escape one on a terminal. */
static bool is_plain(const char *name)
{
	for (size_t n = strlen(name), k; n > 0; name += k, n -= k) {
		k = utf8_sequence(name, n);
		if (k == 0 || (unsigned char)*name < 0x20 || *name == 0x7f)
			return false;
	}
	return true;
}

int folder_pictures(int fd, const char *path, size_t most, json_t *to, size_t *ret_odd)
{
	scoped(names_free) struct names found = { 0 };
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
	const struct dirent *e;

	if (!dir) {
		if (copy >= 0)
			close(copy);
		return -1;
	}
	*ret_odd = 0;
	/* One more than wanted is enough to know that there are too many; which ones then does not matter. */
	while (found.n < most && (e = readdir(dir)))
		if (is_picture_name(e->d_name)) {
			if (is_plain(e->d_name))
				names_add(&found, e->d_name);
			else
				++*ret_odd;
		}
	closedir(dir);
	if (found.n)
		qsort(found.at, found.n, sizeof *found.at, by_name);
	for (size_t i = 0; i < found.n; i++) {
		scoped(free_p) char *file = xasprintf("%s%s%s", path, slash, found.at[i]);

		must(json_array_append_new(to, json_string(file)) == 0);
	}
	return 0;
}
