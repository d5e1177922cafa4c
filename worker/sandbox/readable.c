#include "readable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 512

static const char *const fixed[] = {
	"/etc/fonts", "/etc/pango", "/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/fontconfig", "/var/cache/fontconfig",
	"/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/urandom", "/dev/null",
	"/usr/share/tesseract-ocr", "/usr/share/tessdata", "/usr/local/share/tessdata",
};
static const char *const at_home[] = { ".fonts", ".fontconfig", ".fonts.conf", ".fonts.conf.d", ".local/share/fonts",
	".config/fontconfig", ".cache/fontconfig", ".config/pango" };
static const char *const harmless[] = {
	"/usr", "/sys", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys", "/proc/self/maps", "/proc/self/auxv",
	"/proc/self/cgroup", "/proc/self/status", "/proc/self/task", "/etc/localtime", "/etc/ld.so.preload",
	"/dev/random", "/dev/tty",
};

/* Settings that name a folder of data. */
static const char *const named[] = { "PIXELFLEET_MODELS_DIR", "TESSDATA_PREFIX" };

static char extra[countof(at_home) + countof(named)][PATH_BYTES];      /* "": not known */
static bool shows_way;

void readable_init(void)
{
	const char *home = getenv("HOME");

	shows_way = false;
	memset(extra, 0, sizeof extra);
	for (size_t i = 0; home && *home == '/' && home[1] && i < countof(at_home); i++)
		snprintf(extra[i], sizeof extra[i], "%s/%s", home, at_home[i]);
	for (size_t i = 0; i < countof(named); i++) {
		const char *folder = getenv(named[i]);

		if (folder && *folder == '/' && folder[1] && strlen(folder) < PATH_BYTES)
			snprintf(extra[countof(at_home) + i], sizeof extra[0], "%s", folder);
	}
}

const char *readable_at(size_t i)
{
	for (size_t k = 0; k < countof(extra); k++)
		if (i >= countof(fixed) && *extra[k] && i-- == countof(fixed))
			return extra[k];
	return i < countof(fixed) ? fixed[i] : NULL;
}

static bool is_beneath(const char *path, const char *top)
{
	size_t n = strlen(top);

	while (n > 1 && top[n - 1] == '/')
		n--;
	return strncmp(path, top, n) == 0 && (path[n] == '/' || !path[n]);
}

bool readable_has(const char *path)
{
	if (strstr(path, ".."))
		return false;
	for (size_t i = 0; i < countof(fixed); i++)
		if (is_beneath(path, fixed[i]))
			return true;
	for (size_t i = 0; i < countof(extra); i++)
		if (*extra[i] && is_beneath(path, extra[i]))
			return true;
	return false;
}

void readable_show_way(void)
{
	shows_way = true;
}

bool readable_leads_to(const char *path)
{
	const char *models = extra[countof(at_home)];

	return shows_way && *models && *path == '/' && !strstr(path, "..") && (!path[1] || is_beneath(models, path));
}

bool readable_is_harmless(const char *path)
{
	if (strstr(path, ".."))
		return false;
	for (size_t i = 0; i < countof(harmless); i++)
		if (is_beneath(path, harmless[i]))
			return true;
	return readable_has(path);
}
