#include "conf.h"

#include "gallery.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX     "PIXELFLEET_"
#define TOKEN_MIN  32
#define TOKEN_MAX  4096

enum type { STR, UINT, SIZE, NUM, BOOL };
enum { SECRET = 1, OR_DEFAULT = 2 };

static const struct key {
	const char *env, *def, *help;
	enum type type;
	unsigned flags;
	size_t at;
} keys[] = {
#define CONF(field, env, type, def, flags, help) { env, def, help, type, flags, offsetof(struct conf, field) },
#include "conf.def"
#undef CONF
};

static void *at(const struct conf *c, const struct key *k)
{
	return (char *)c + k->at;
}

static const struct key *find(const char *entry)
{
	size_t n = strcspn(entry, "=");

	for (size_t i = 0; i < countof(keys); i++)
		if (strlen(keys[i].env) == n && strncmp(keys[i].env, entry, n) == 0)
			return &keys[i];
	return NULL;
}

static int set_number(struct conf *c, const struct key *k, const char *value, struct err *err)
{
	unsigned long long n, most = k->type == UINT ? INT32_MAX : INT64_MAX;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno || n > most)
		return err_set(err, ERR_REJECT, "%s: '%.60s' is not a whole number from 0 to %llu", k->env, value, most);
	if (k->type == UINT)
		*(unsigned *)at(c, k) = (unsigned)n;
	else
		*(size_t *)at(c, k) = (size_t)n;
	return 0;
}

/* From 0 to 1: there is no other real number among the settings. */
static int set_share(struct conf *c, const struct key *k, const char *value, struct err *err)
{
	char *end;
	double v = strtod(value, &end);

	if ((!isdigit((unsigned char)*value) && *value != '.') || *end || !(v >= 0 && v <= 1))
		return err_set(err, ERR_REJECT, "%s: '%.60s' is not a number from 0 to 1", k->env, value);
	*(double *)at(c, k) = v;
	return 0;
}

static int set(struct conf *c, const struct key *k, const char *value, struct err *err)
{
	switch (k->type) {
	case STR:
		free(*(char **)at(c, k));
		*(char **)at(c, k) = xstrdup(value);
		return 0;
	case UINT:
	case SIZE:
		return set_number(c, k, value, err);
	case NUM:
		return set_share(c, k, value, err);
	case BOOL:
		if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
			return err_set(err, ERR_REJECT, "%s: '%.60s' is neither 0 nor 1", k->env, value);
		*(bool *)at(c, k) = *value == '1';
		return 0;
	}
	must(!"bad conf type");
	return -1;
}

static int read_token(struct conf *c, struct err *err)
{
	char text[TOKEN_MAX + 1];
	scoped(close_p) int fd = open(c->internal_token_file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, TOKEN_MAX);

	if (n < 0)
		return err_set(err, ERR_REJECT, "PROCESSING_INTERNAL_TOKEN_FILE: cannot read '%s': %s",
			c->internal_token_file, strerror(errno));
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	free(c->internal_token);
	c->internal_token = xstrdup(text);
	explicit_bzero(text, sizeof text);
	return 0;
}

static int read_env(struct conf *c, const char *const *env, bool *seen, struct err *err)
{
	for (; *env; env++) {
		const struct key *k = find(*env);

		if (!k && strncmp(*env, PREFIX, strlen(PREFIX)) == 0)
			return err_set(err, ERR_REJECT, "unknown setting '%.*s' (--config lists the known ones)",
				(int)strcspn(*env, "="), *env);
		if (!k)
			continue;
		if (!strchr(*env, '='))         /* execve(2) takes any text */
			return err_set(err, ERR_REJECT, "%s has no value: allowed is %s=VALUE", k->env, k->env);
		if (k->flags & OR_DEFAULT && !strchr(*env, '=')[1])
			continue;
		if (set(c, k, strchr(*env, '=') + 1, err) < 0)
			return -1;
		seen[k - keys] = true;
	}
	return 0;
}

static int check_values(const struct conf *c, struct err *err)
{
	static const char *const levels[] = { "debug", "info", "warn", "error" };
	bool level_ok = false;

	for (size_t i = 0; i < countof(levels); i++)
		level_ok |= strcmp(c->log_level, levels[i]) == 0;
	if (!level_ok)
		return err_set(err, ERR_REJECT, "PIXELFLEET_LOG_LEVEL: '%s' is none of debug, info, warn, error", c->log_level);
	if (strcmp(c->log, "text") != 0 && strcmp(c->log, "json") != 0)
		return err_set(err, ERR_REJECT, "PIXELFLEET_LOG: '%s' is neither text nor json", c->log);
	if (*c->triton_url && strncmp(c->triton_url, "http://", 7) != 0 && strncmp(c->triton_url, "https://", 8) != 0)
		return err_set(err, ERR_REJECT, "PIXELFLEET_TRITON_URL: '%s' does not start with http:// or https://", c->triton_url);
	if (c->triton_timeout_s == 0)
		return err_set(err, ERR_REJECT, "PIXELFLEET_TRITON_TIMEOUT_S: '0' leaves no time, at least 1 is allowed");
	if (strncmp(c->artifacts, "s3:", 3) == 0)
		return err_set(err, ERR_REJECT, "PIXELFLEET_ARTIFACTS: this version keeps artifacts in a directory only");
	return gallery_check(c, err);
}

/* What is empty follows from another setting, if that is not empty too. */
static void derive(char **to, const char *from, const char *more)
{
	if (**to || !*from)
		return;
	free(*to);
	*to = xasprintf("%s%s", from, more);
}

int conf_load(struct conf *ret, const char *const *env, struct err *err)
{
	scoped(conf_done) struct conf c = { 0 };
	bool seen[countof(keys)] = { false };

	if (read_env(&c, env, seen, err) < 0)
		return -1;
	for (size_t i = 0; i < countof(keys); i++) {
		if (seen[i])
			continue;
		if (!keys[i].def)
			return err_set(err, ERR_REJECT, "%s must be set: %s", keys[i].env, keys[i].help);
		if (set(&c, &keys[i], keys[i].def, err) < 0)
			return -1;
	}
	derive(&c.artifacts, c.data_dir, "/artifacts");
	derive(&c.photo_dlq, c.photo_queue, "_dlq");
	derive(&c.text_dlq, c.text_queue, "_dlq");
	if (check_values(&c, err) < 0)
		return -1;
	if (*c.internal_token_file && read_token(&c, err) < 0)
		return -1;
	*ret = c;
	c = (struct conf){ 0 };
	return 0;
}

int conf_need_token(const struct conf *c, struct err *err)
{
	size_t n = strlen(c->internal_token);

	if (n == 0)
		return err_set(err, ERR_REJECT, "PROCESSING_INTERNAL_TOKEN must be set: a secret of at least %d characters "
			"that dispatchers and workers share (try: openssl rand -hex 32)", TOKEN_MIN);
	if (n < TOKEN_MIN)
		return err_set(err, ERR_REJECT, "PROCESSING_INTERNAL_TOKEN has %zu characters, at least %d are needed", n, TOKEN_MIN);
	return 0;
}

void conf_done(struct conf *c)
{
	for (size_t i = 0; i < countof(keys); i++)
		if (keys[i].type == STR)
			free(*(char **)at(c, &keys[i]));
	*c = (struct conf){ 0 };
}

void conf_print(const struct conf *c, FILE *to)
{
	for (size_t i = 0; i < countof(keys); i++) {
		const struct key *k = &keys[i];

		fprintf(to, "%s=", k->env);
		switch (k->type) {
		case STR:
			fprintf(to, "%s\n", k->flags & SECRET && **(char **)at(c, k) ? "***" : *(char **)at(c, k));
			break;
		case UINT:
			fprintf(to, "%u\n", *(unsigned *)at(c, k));
			break;
		case SIZE:
			fprintf(to, "%zu\n", *(size_t *)at(c, k));
			break;
		case NUM:
			fprintf(to, "%g\n", *(double *)at(c, k));
			break;
		case BOOL:
			fprintf(to, "%d\n", *(bool *)at(c, k));
			break;
		}
	}
}

void conf_help(FILE *to)
{
	for (size_t i = 0; i < countof(keys); i++)
		fprintf(to, "  %s%s%s\n      %s\n", keys[i].env, *keys[i].def ? "=" : "", keys[i].def, keys[i].help);
}
