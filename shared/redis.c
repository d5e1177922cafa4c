#include "redis.h"

#include "clock.h"
#include "lua.h"
#include "redis_url.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define CONNECT_MS 3000

void redis_init(struct redis *r, const char *url)
{
	*r = (struct redis){ .url = xstrdup(url), .timeout_ms = 5000 };
}

void redis_close(struct redis *r)
{
	if (r->ctx)
		redisFree(r->ctx);
	r->ctx = NULL;
	r->owed = 0;
}

void redis_done(struct redis *r)
{
	redis_close(r);
	free(r->url);
	r->url = NULL;
}

/* Every failure of the connection passes here. */
static int broken(struct redis *r, struct err *err, const char *doing)
{
	err_set(err, ERR_RETRY, "redis: %s: %s", doing, r->ctx && r->ctx->err ? r->ctx->errstr : "no connection");
	redis_close(r);
	return -1;
}

static int answer_error(const redisReply *reply, struct err *err)
{
	return err_set(err, ERR_REJECT, "redis: %.600s", reply->str);
}

static int ask(struct redis *r, redisReply **ret, const char *doing, struct err *err, const char *fmt, ...)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;
	va_list ap;

	va_start(ap, fmt);
	reply = redisvCommand(r->ctx, fmt, ap);
	va_end(ap);
	if (!reply)
		return broken(r, err, doing);
	if (reply->type == REDIS_REPLY_ERROR) {
		err_set(err, ERR_RETRY, "redis: %s: %.600s", doing, reply->str);
		redis_close(r);
		return -1;
	}
	if (ret)
		*ret = steal(&reply);
	return 0;
}

static int greet(struct redis *r, const struct redis_url *a, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *info = NULL;
	const char *run_id;

	if (*a->password && *a->user) {
		if (ask(r, NULL, "AUTH", err, "AUTH %s %s", a->user, a->password) < 0)
			return -1;
	} else if (*a->password || *a->user) {
		if (ask(r, NULL, "AUTH", err, "AUTH %s", *a->password ? a->password : a->user) < 0)
			return -1;
	}
	if (a->db && ask(r, NULL, "SELECT", err, "SELECT %d", a->db) < 0)
		return -1;
	if (ask(r, &info, "INFO", err, "INFO server") < 0)
		return -1;
	run_id = info->type == REDIS_REPLY_STRING ? strstr(info->str, "run_id:") : NULL;
	snprintf(r->run_id, sizeof r->run_id, "%.40s", run_id ? run_id + 7 : "");
	r->run_id[strcspn(r->run_id, "\r\n")] = '\0';
	return 0;
}

int redis_connect(struct redis *r, struct err *err)
{
	struct timeval connect_tv = { .tv_sec = CONNECT_MS / 1000 };
	struct timeval tv = { .tv_sec = r->timeout_ms / 1000, .tv_usec = (long)(r->timeout_ms % 1000) * 1000 };
	struct redis_url a;

	if (r->ctx && !r->ctx->err)
		return 0;
	redis_close(r);
	if (redis_url_parse(r->url, &a, err) < 0)
		return -1;
	r->ctx = a.is_unix ? redisConnectUnixWithTimeout(a.host, connect_tv)
			   : redisConnectWithTimeout(a.host, a.port, connect_tv);
	must(r->ctx != NULL);
	if (r->ctx->err)
		return broken(r, err, "connecting");
	if (redisSetTimeout(r->ctx, tv) != REDIS_OK)
		return broken(r, err, "setting the time limit");
	if (!a.is_unix && redisEnableKeepAlive(r->ctx) != REDIS_OK)
		return broken(r, err, "asking for keep-alive");
	if (greet(r, &a, err) < 0)
		return -1;
	r->connects++;
	return 0;
}

int redis_append(struct redis *r, struct err *err, const char *fmt, ...)
{
	va_list ap;
	int rc;

	if (redis_connect(r, err) < 0)
		return -1;
	va_start(ap, fmt);
	rc = redisvAppendCommand(r->ctx, fmt, ap);
	va_end(ap);
	if (rc != REDIS_OK)
		return broken(r, err, "sending");
	r->owed++;
	return 0;
}

int redis_append_argv(struct redis *r, int argc, const char **argv, const size_t *lens, struct err *err)
{
	if (redis_connect(r, err) < 0)
		return -1;
	if (redisAppendCommandArgv(r->ctx, argc, argv, lens) != REDIS_OK)
		return broken(r, err, "sending");
	r->owed++;
	return 0;
}

int redis_reply(struct redis *r, redisReply **ret, struct err *err)
{
	scoped(freeReplyObject_p) redisReply *reply = NULL;

	if (!r->ctx)
		return err_set(err, ERR_RETRY, "redis: the connection was lost before the answer came");
	if (redisGetReply(r->ctx, (void **)&reply) != REDIS_OK || !reply)
		return broken(r, err, "waiting for an answer");
	if (r->owed)            /* a subscriber reads more than it asked for */
		r->owed--;
	if (reply->type == REDIS_REPLY_ERROR)
		return answer_error(reply, err);
	if (ret)
		*ret = steal(&reply);
	return 0;
}

int redis_command(struct redis *r, redisReply **ret, struct err *err, const char *fmt, ...)
{
	va_list ap;
	int rc;

	if (redis_connect(r, err) < 0)
		return -1;
	must(r->owed == 0);
	va_start(ap, fmt);
	rc = redisvAppendCommand(r->ctx, fmt, ap);
	va_end(ap);
	if (rc != REDIS_OK)
		return broken(r, err, "sending");
	r->owed++;
	return redis_reply(r, ret, err);
}

static const struct lua_script *find_script(const char *name)
{
	for (size_t i = 0; i < nlua_scripts; i++)
		if (strcmp(lua_scripts[i].name, name) == 0)
			return &lua_scripts[i];
	must(!"no such script in shared/lua");
	return NULL;
}

static void sha1_hex(const char *text, char out[41]);

static char (*names)[41];       /* of lua_scripts, as Redis calls them */

static void name_scripts(void)
{
	names = xcalloc(nlua_scripts, sizeof *names);
	for (size_t i = 0; i < nlua_scripts; i++)
		sha1_hex(lua_scripts[i].text, names[i]);
}

/* By its name, or as a whole. */
static int send_script(struct redis *r, bool whole, const struct lua_script *script, int nkeys, int argc, const char **argv, const size_t *lens,
	struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	scoped(free_p) const char **all = xcalloc((size_t)argc + 3, sizeof *all);
	scoped(free_p) size_t *all_lens = xcalloc((size_t)argc + 3, sizeof *all_lens);
	char keys[12];

	must(pthread_once(&once, name_scripts) == 0);
	snprintf(keys, sizeof keys, "%d", nkeys);
	all[0] = whole ? "EVAL" : "EVALSHA";
	all[1] = whole ? script->text : names[script - lua_scripts];
	all[2] = keys;
	for (int i = 0; i < argc; i++) {
		all[i + 3] = argv[i];
		all_lens[i + 3] = lens ? lens[i] : strlen(argv[i]);
	}
	for (int i = 0; i < 3; i++)
		all_lens[i] = strlen(all[i]);
	return redis_append_argv(r, argc + 3, all, all_lens, err);
}

int redis_script_append(struct redis *r, const char *name, int nkeys, int argc, const char **argv, const size_t *lens, struct err *err)
{
	return send_script(r, false, find_script(name), nkeys, argc, argv, lens, err);
}

int redis_script(struct redis *r, const char *name, int nkeys, int argc, const char **argv, const size_t *lens,
	redisReply **ret, struct err *err)
{
	const struct lua_script *script = find_script(name);

	must(r->owed == 0);
	if (send_script(r, false, script, nkeys, argc, argv, lens, err) < 0)
		return -1;
	if (redis_reply(r, ret, err) == 0)
		return 0;
	if (!strstr(err->msg, "NOSCRIPT"))
		return err_wrap(err, "script %s", name);
	if (send_script(r, true, script, nkeys, argc, argv, lens, err) < 0)
		return -1;
	return redis_reply(r, ret, err) < 0 ? err_wrap(err, "script %s", name) : 0;
}

/* SHA-1 (FIPS 180-4), only because it is how Redis names scripts; libsodium has none. */
static void sha1_block(uint32_t h[5], const uint8_t *p)
{
	uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

#define ROL(x, n) (((x) << (n)) | ((x) >> (32 - (n))))
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = ROL(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
		uint32_t k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
		uint32_t t = ROL(a, 5) + f + e + k + w[i];

		e = d, d = c, c = ROL(b, 30), b = a, a = t;
	}
#undef ROL
	h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

static void sha1_hex(const char *text, char out[41])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	size_t n = strlen(text), done = 0;
	uint8_t block[64], mac[20];
	uint64_t bits = (uint64_t)n * 8;

	for (; n - done >= 64; done += 64)
		sha1_block(h, (const uint8_t *)text + done);
	memset(block, 0, sizeof block);
	memcpy(block, text + done, n - done);
	block[n - done] = 0x80;
	if (n - done >= 56) {
		sha1_block(h, block);
		memset(block, 0, sizeof block);
	}
	for (int i = 0; i < 8; i++)
		block[56 + i] = (uint8_t)(bits >> (56 - 8 * i));
	sha1_block(h, block);
	for (int i = 0; i < 20; i++)
		mac[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
	sodium_bin2hex(out, 41, mac, sizeof mac);
}
