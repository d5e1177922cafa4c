#include "report.h"

#include "breaker.h"
#include "fleet.h"
#include "store.h"
#include "utf8.h"
#include "uuid.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORKER_MAX     200
#define NAME_MAX_BYTES 255
#define TEXT_MAX       4096
#define MEMBERS_MAX    24
#define ATTEMPT_MAX    32767            /* a smallint */
#define MS_MAX         3e10             /* a year */

DEFINE_SCOPED(struct op *, op_free)

static int wrong(struct err *err, const char *member, const char *allowed)
{
	return err_set(err, ERR_REJECT, "%s: allowed is %s", member, allowed);
}

static int read_uuid(const json_t *o, const char *member, const char **ret, struct err *err)
{
	const char *s = json_string_value(json_object_get(o, member));

	if (!s || !uuid_is(s))
		return wrong(err, member, "a UUID in lower case");
	*ret = s;
	return 0;
}

static int read_int(const json_t *o, const char *member, int64_t min, int64_t max, bool optional, int64_t *ret, struct err *err)
{
	const json_t *v = json_object_get(o, member);

	if (!v && optional)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return err_set(err, ERR_REJECT, "%s: allowed is a whole number from %lld to %lld", member, (long long)min, (long long)max);
	*ret = json_integer_value(v);
	return 0;
}

/* What else a worker says of a file ("origin", "file", ...) is kept, as long as it is small and flat. */
static int check_others(const json_t *o, struct err *err)
{
	const char *name;
	json_t *v;

	if (json_object_size(o) > MEMBERS_MAX)
		return err_set(err, ERR_REJECT, "%zu members; allowed are %d", json_object_size(o), MEMBERS_MAX);
	json_object_foreach((json_t *)o, name, v)
		if (strlen(name) > NAME_MAX_BYTES || json_is_object(v) || json_is_array(v) || json_string_length(v) > TEXT_MAX)
			return err_set(err, ERR_REJECT, "%.60s: allowed is a number, true, false or a text of at most %d bytes", name, TEXT_MAX);
	return 0;
}

/* type/subtype of RFC 6838, maybe with parameters of plain words. */
static bool is_media_type(const char *s)
{
	static const char word[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&-^_.+";
	size_t n = s ? strspn(s, word) : 0, k = n && s[n] == '/' ? strspn(s + n + 1, word) : 0;

	return n && k && n + k < 120 && (!s[n + 1 + k] || strcmp(s + n + 1 + k, "; charset=utf-8") == 0);
}

static int check_artifact(const json_t *a, struct err *err)
{
	const char *name = json_string_value(json_object_get(a, "name"));
	const char *digest = json_string_value(json_object_get(a, "digest"));
	int64_t n;

	if (!json_is_object(a))
		return err_set(err, ERR_REJECT, "allowed is an object");
	if (!name || !*name || strlen(name) > NAME_MAX_BYTES)
		return wrong(err, "name", "a text of 1 to 255 bytes");
	if (!digest || !digest_is(digest))
		return wrong(err, "digest", "64 hexadecimal digits in lower case");
	if (!is_media_type(json_string_value(json_object_get(a, "media_type"))))
		return wrong(err, "media_type", "a media type such as image/png");
	if (read_int(a, "bytes", 0, INT64_MAX, false, &n, err) < 0 || read_int(a, "width", 0, INT32_MAX, true, &n, err) < 0 ||
	    read_int(a, "height", 0, INT32_MAX, true, &n, err) < 0 || check_others(a, err) < 0)
		return -1;
	return 0;
}

static int check_artifacts(const json_t *list, struct err *err)
{
	json_t *names = json_object(), *a;
	size_t i;
	int rc = 0;

	json_array_foreach(list, i, a) {
		if (check_artifact(a, err) < 0)
			rc = err_wrap(err, "artifacts/%zu", i);
		else if (json_object_get(names, json_string_value(json_object_get(a, "name"))))
			rc = err_set(err, ERR_REJECT, "artifacts/%zu: name: '%.60s' is there twice", i, json_string_value(json_object_get(a, "name")));
		else
			json_object_set_new(names, json_string_value(json_object_get(a, "name")), json_true());
		if (rc < 0)
			break;
	}
	json_decref(names);
	return rc;
}

static int read_outputs(const json_t *o, struct report *r, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };
	json_t *artifacts = json_object_get(o, "artifacts");
	const json_t *data = json_object_get(o, "data");

	if (artifacts && !json_is_null(artifacts)) {
		if (!json_is_array(artifacts) || json_array_size(artifacts) > REPORT_ARTIFACTS_MAX)
			return wrong(err, "artifacts", "a list of at most 1000");
		if (check_artifacts(artifacts, err) < 0)
			return -1;
		buf_json(&text, artifacts);
		r->artifacts = buf_take(&text);
		r->artifact_list = json_incref(artifacts);
	}
	if (data) {
		buf_json(&text, data);
		if (text.len > REPORT_DATA_MAX)
			return err_set(err, ERR_REJECT, "data: %zu bytes; allowed are %u (more belongs into an artifact)", text.len, REPORT_DATA_MAX);
		r->data = buf_take(&text);
	}
	return 0;
}

/* At most so many bytes, and no half character at the end. */
static char *cut(const char *s)
{
	size_t n = strlen(s);

	if (n > REPORT_MESSAGE_MAX)
		for (n = REPORT_MESSAGE_MAX; n && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
			;
	return xstrndup(s, n);
}

static int read_backend(const json_t *o, struct report *r, struct err *err)
{
	const char *name = json_string_value(json_object_get(o, "backend"));

	if (!breaker_is_name(name))
		return wrong(err, "backend", "a name of 1 to 120 printable characters without blanks");
	free(r->backend);
	r->backend = xstrdup(name);
	return 0;
}

/* Whose fault it was, which overrides who answered. */
static int read_fault(const json_t *e, struct report *r, struct err *err)
{
	const json_t *deferred = json_object_get(e, "deferred");

	if (json_object_get(e, "backend")) {
		if (read_backend(e, r, err) < 0)
			return -1;
		r->answered = false;
	}
	if (deferred && (!json_is_boolean(deferred) || !r->backend || r->answered || r->kind != ERR_RETRY))
		return wrong(err, "deferred", "true or false, of kind retry and with the backend");
	r->deferred = json_is_true(deferred);
	return 0;
}

static int read_error(const json_t *o, struct report *r, struct err *err)
{
	const json_t *e = json_object_get(o, "error");
	const char *kind = json_string_value(json_object_get(e, "kind"));
	const char *message = json_string_value(json_object_get(e, "message"));
	int64_t sig = 0;

	if (!kind || err_kind_parse(kind, &r->kind) < 0)
		return wrong(err, "error/kind", "retry, reject or cancel");
	if (!message)
		return wrong(err, "error/message", "a text");
	if (read_int(e, "signal", 0, 64, true, &sig, err) < 0)
		return err_wrap(err, "error");
	if (read_fault(e, r, err) < 0)
		return err_wrap(err, "error");
	r->signal = (int)sig;
	r->message = cut(message);
	r->failed = true;
	return 0;
}

static int read_status(const json_t *o, struct report *r, struct err *err)
{
	const char *status = json_string_value(json_object_get(o, "status"));

	if (json_object_get(o, "backend")) {
		if (read_backend(o, r, err) < 0)
			return -1;
		r->answered = true;
	}
	if (status && strcmp(status, "succeeded") == 0)
		return read_outputs(o, r, err);
	if (status && strcmp(status, "failed") == 0)
		return read_error(o, r, err);
	return wrong(err, "status", "succeeded or failed");
}

static int read_execution(const json_t *o, struct report *r, struct err *err)
{
	const json_t *ms = json_object_get(o, "ms"), *requeue = json_object_get(o, "requeue"), *probe = json_object_get(o, "probe");
	const char *worker = json_string_value(json_object_get(o, "worker")), *run;
	int64_t pass = 0;

	if (read_uuid(o, "run", &run, err) < 0)
		return -1;
	if (!worker || !*worker || strlen(worker) > WORKER_MAX)
		return wrong(err, "worker", "a text of 1 to 200 bytes");
	if (!json_is_number(ms) || !(json_number_value(ms) >= 0) || json_number_value(ms) > MS_MAX)
		return wrong(err, "ms", "a number, not negative");
	if (requeue && !json_is_boolean(requeue))
		return wrong(err, "requeue", "true or false");
	if (fleet_time_parse(json_string_value(json_object_get(o, "started_at")), &r->started_us) < 0)
		return wrong(err, "started_at", "a time such as 2026-01-02T03:04:05.678901Z");
	if (probe && !json_is_boolean(probe))
		return wrong(err, "probe", "true or false");
	if (read_int(o, "peak_rss_kb", 0, INT64_MAX, true, &r->peak_rss_kb, err) < 0 || read_int(o, "pass", 0, ATTEMPT_MAX, true, &pass, err) < 0)
		return -1;
	r->pass = (int)pass;
	r->is_probe = json_is_true(probe);
	snprintf(r->run, sizeof r->run, "%s", run);
	r->worker = xstrdup(worker);
	r->ms = json_number_value(ms);
	r->is_requeue = json_is_true(requeue);
	return 0;
}

int report_parse(const json_t *report, struct op **ret, struct err *err)
{
	scoped(op_free_p) struct op *op = op_new(OP_REPORT);
	int64_t ordinal = 0, attempt = 0;
	const char *job;

	if (!json_is_object(report))
		return err_set(err, ERR_REJECT, "a report is an object");
	if (read_uuid(report, "job", &job, err) < 0 ||
	    read_int(report, "ordinal", 0, DEFINITION_MAX_INSTANCES, false, &ordinal, err) < 0 ||
	    read_int(report, "attempt", 1, ATTEMPT_MAX, false, &attempt, err) < 0 ||
	    read_execution(report, &op->report, err) < 0 || read_status(report, &op->report, err) < 0)
		return -1;
	op->job = xstrdup(job);
	op->ordinal = op->report.ordinal = (int)ordinal;
	op->attempt = op->report.attempt = (int)attempt;
	*ret = steal(&op);
	return 0;
}
