#include "inputs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DATA_MAX   ((size_t)64 << 20)   /* one step's data */
#define INPUTS_MAX ((size_t)512 << 20)  /* the list of a join over 10,000 pictures */

static const char *text_of(const json_t *artifact, const char *name)
{
	const char *s = json_string_value(json_object_get(artifact, name));

	return s ? s : "";
}

bool input_is_data(const json_t *input)
{
	const json_t *a = json_object_get(input, "artifact");

	if (json_object_get(input, "data"))
		return true;
	return a && strcmp(text_of(a, "name"), "data") == 0 && strcmp(text_of(a, "media_type"), "application/json") == 0;
}

static int read_all(int fd, char *to, size_t n, struct err *err)
{
	while (n > 0) {
		ssize_t r = read(fd, to, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_set(err, ERR_RETRY, "cannot read an input: %s", r < 0 ? strerror(errno) : "the file ends early");
		to += r, n -= (size_t)r;
	}
	return 0;
}

static int load(struct store *store, const char *digest, json_t **ret, struct err *err)
{
	scoped(close_p) int fd = -1;
	scoped(free_p) char *text = NULL;
	json_error_t e;
	size_t size;
	json_t *data;

	if (store_get(store, digest, &fd, &size, err) < 0)
		return -1;
	if (size > DATA_MAX)
		return err_set(err, ERR_REJECT, "the data '%s' has %zu bytes, at most %zu are read", digest, size, DATA_MAX);
	text = xcalloc(1, size + 1);
	if (read_all(fd, text, size, err) < 0)
		return -1;
	data = json_loadb(text, size, JSON_DECODE_ANY, &e);
	if (!data)
		return err_set(err, ERR_REJECT, "the data '%s' is not JSON: %s, at byte %d", digest, e.text, e.position);
	*ret = data;
	return 0;
}

int input_data(struct store *store, const json_t *input, json_t **ret, struct err *err)
{
	json_t *data = json_object_get(input, "data");

	if (data || !input_is_data(input)) {
		*ret = json_incref(data);
		return 0;
	}
	if (load(store, text_of(json_object_get(input, "artifact"), "digest"), ret, err) < 0)
		return err_wrap(err, "input from step '%.100s'", text_of(input, "step"));
	return 0;
}

int inputs_fetch(struct upstream *u, const char *path, unsigned timeout_s, const bool *stop, json_t **ret, bool *ret_nobody, struct err *err)
{
	scoped(http_response_done) struct http_response answer = { 0 };
	scoped(json_decref_p) json_t *body = NULL;
	json_t *list;

	*ret_nobody = false;
	if (strncmp(path, "/internal/", 10) != 0)
		return err_set(err, ERR_REJECT, "the task's inputs_url '%.200s' is not one of a dispatcher", path);
	if (upstream_call(u, path, NULL, 0, timeout_s, INPUTS_MAX, stop, &answer, err) < 0) {
		*ret_nobody = err->kind == ERR_RETRY;
		return err_wrap(err, "getting the step's inputs");
	}
	if (answer.status != 200)
		return err_set(err, http_status_kind(answer.status), "getting the step's inputs: the dispatcher answers %u: %.300s",
			answer.status, answer.body.text ? answer.body.text : "");
	body = json_loadb(answer.body.text ? answer.body.text : "", answer.body.len, 0, NULL);
	list = json_object_get(body, "inputs");
	if (!json_is_array(list))
		return err_set(err, ERR_RETRY, "getting the step's inputs: the dispatcher's answer has no list 'inputs'");
	*ret = json_incref(list);
	return 0;
}
