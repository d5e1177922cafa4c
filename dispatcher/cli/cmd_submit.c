/* pixelfleet submit: hands in jobs, prints their ids. */
#include "api.h"
#include "input.h"
#include "problems.h"
#include "uuid.h"
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#define SUBMIT_PATH "/api/v1/jobs"

struct handed_in {
	char **ids;
	size_t n, cap;
	bool was_refused;
};

/* What can be a definition in a file rather than a name: it has a slash, ends in .json, or is "-". */
static bool is_file(const char *pipeline)
{
	size_t n = strlen(pipeline);

	return strchr(pipeline, '/') || strcmp(pipeline, "-") == 0 || (n > 5 && strcmp(pipeline + n - 5, ".json") == 0);
}

static int add_image(struct cli *c, json_t *images, const char *path, struct err *err)
{
	json_t *text = json_string(path);

	if (!text)
		return cli_usage(c, err, "picture '%.200s': the name is not UTF-8", path);
	json_array_append_new(images, text);
	return 0;
}

/* --pipeline and pictures, as the one document that a file would hold. */
static int from_options(struct cli *c, const char *pipeline, struct cli_documents *ret, struct err *err)
{
	scoped(json_decref_p) json_t *body = json_object(), *definition = NULL;
	json_t *images = json_array();
	const char *path;
	size_t at = 0;

	json_object_set_new(body, "images", images);
	while ((path = cli_next_value(&c->args, "image", &at)))
		if (add_image(c, images, path, err) < 0)
			return -1;
	for (size_t i = 0; i < c->args.nwords; i++)
		if (add_image(c, images, c->args.words[i], err) < 0)
			return -1;
	if (is_file(pipeline)) {
		if (cli_read_object(c, pipeline, &definition, err) < 0)
			return -1;
		json_object_set(body, "pipeline", definition);
	} else if (json_object_set_new(body, "pipeline", json_string(pipeline)) < 0) {
		return cli_usage(c, err, "--pipeline: the name is not UTF-8");
	}
	ret->items = grow(NULL, 1, &ret->cap, sizeof *ret->items);
	ret->items[ret->n++] = (struct cli_document){ steal(&body), xstrdup("command line"), xstrdup("") };
	return 0;
}

static int from_files(struct cli *c, struct cli_documents *ret, struct err *err)
{
	if (c->args.nwords == 0)
		return cli_usage(c, err, "submit: nothing to submit: give a FILE, - for standard input, or --pipeline and pictures");
	if (cli_has(&c->args, "image"))
		return cli_usage(c, err, "submit: --image goes with --pipeline; a FILE lists its own pictures");
	for (size_t i = 0; i < c->args.nwords; i++) {
		scoped(buf_free) struct buf text = { 0 };
		const char *path = c->args.words[i];

		if (cli_read(c, path, &text, err) < 0)
			return -1;
		if (cli_documents_parse(c, text.text ? text.text : "", text.len,
			strcmp(path, "-") == 0 ? "standard input" : path, ret, err) < 0)
			return -1;
	}
	return 0;
}

static int set_text(struct cli *c, json_t *body, const char *option, const char *key, struct err *err)
{
	const char *value = cli_value(&c->args, option);

	if (value && json_object_set_new(body, key, json_string(value)) < 0)
		return cli_usage(c, err, "--%s: not UTF-8", option);
	return 0;
}

static int set_labels(struct cli *c, json_t *body, struct err *err)
{
	const char *label;
	size_t at = 0;

	while ((label = cli_next_value(&c->args, "label", &at))) {
		size_t n = strcspn(label, "=");
		scoped(free_p) char *key = xstrndup(label, n);
		json_t *labels = json_object_get(body, "labels");

		if (n == 0 || !label[n])
			return cli_usage(c, err, "--label: '%.100s' is not KEY=VALUE", label);
		if (!labels)
			json_object_set_new(body, "labels", labels = json_object());
		if (json_is_object(labels) && json_object_set_new(labels, key, json_string(label + n + 1)) < 0)
			return cli_usage(c, err, "--label: '%.100s' is not UTF-8", label);
	}
	return 0;
}

static int set_deadline(struct cli *c, json_t *body, struct err *err)
{
	const char *text = cli_value(&c->args, "deadline");
	char *end = NULL;
	double seconds = text ? strtod(text, &end) : 0;

	if (!text)
		return 0;
	if (!*text || *end || !(seconds > 0) || seconds > 1e9)
		return cli_usage(c, err, "--deadline: '%.60s' is not a number of seconds over 0", text);
	json_object_set_new(body, "deadline_s", json_real(seconds));
	return 0;
}

static int set_params(struct cli *c, json_t *body, struct err *err)
{
	const char *text = cli_value(&c->args, "params");
	json_t *params = NULL;

	if (!text)
		return 0;
	if (cli_option_object(c, "--params", text, &params, err) < 0)
		return -1;
	return json_object_set_new(body, "params", params) < 0 ? cli_usage(c, err, "--params: not an object") : 0;
}

/* The options win over what the document says. */
static int apply_options(struct cli *c, json_t *body, struct err *err)
{
	const char *priority = cli_value(&c->args, "priority");

	if (set_text(c, body, "id", "id", err) < 0 || set_text(c, body, "callback-url", "callback_url", err) < 0
		|| set_labels(c, body, err) < 0 || set_deadline(c, body, err) < 0 || set_params(c, body, err) < 0)
		return -1;
	if (!priority)
		return 0;
	if (strcmp(priority, "high") == 0)
		json_object_set_new(body, "priority", json_string("high"));
	else if (strcmp(priority, "normal") == 0)
		json_object_del(body, "priority");
	else
		return cli_usage(c, err, "--priority: '%.60s' is neither high nor normal", priority);
	return 0;
}

/* With an id of its own, a submission that has to be sent twice (the answer was lost, the next dispatcher
 * is asked) is still one job. */
static void set_own_id(json_t *body)
{
	char id[UUID_TEXT];

	if (json_object_get(body, "id") || !json_object_get(body, "pipeline"))
		return;
	uuid_new(id);
	json_object_set_new(body, "id", json_sprintf("cli-%s", id));
}

/* Problems point into what was sent: into the pipeline's file, or into a member of a list. */
static void place_problems(struct cli *c, const struct cli_document *d)
{
	const char *pipeline = cli_value(&c->args, "pipeline");

	cli_problems_move(c->problems, "", d->pointer, d->source);
	if (pipeline && is_file(pipeline))
		cli_problems_move(c->problems, "/pipeline", "", pipeline);
	free(c->source);
	c->source = xstrdup(d->source);
}

static int hand_in(struct cli *c, struct cli_document *d, struct handed_in *h, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;

	if (!json_is_object(d->body)) {
		c->source = xstrdup(d->source);
		return cli_refuse(c, CLI_FAILED, err, "%s: not a JSON object", *d->pointer ? d->pointer : "/");
	}
	if (apply_options(c, d->body, err) < 0 || cli_absolute_images(c, d->body, err) < 0)
		return -1;
	set_own_id(d->body);
	if (cli_call(c, "POST", SUBMIT_PATH, d->body, &answer, err) < 0) {
		place_problems(c, d);
		return -1;
	}
	if (!*cli_str(answer, "id"))
		return err_set(err, ERR_REJECT, "the dispatcher took the job but did not say its id");
	if (c->json)
		cli_print_json(c, answer);
	else
		fprintf(c->out, "%s\n", cli_str(answer, "id"));
	fflush(c->out);
	h->ids = grow(h->ids, h->n + 1, &h->cap, sizeof *h->ids);
	h->ids[h->n++] = xstrdup(cli_str(answer, "id"));
	return 0;
}

/* One refused submission does not stop the others; anything else does. */
static int hand_in_all(struct cli *c, struct cli_documents *d, struct handed_in *h, struct err *err)
{
	for (size_t i = 0; i < d->n; i++) {
		if (hand_in(c, &d->items[i], h, err) == 0)
			continue;
		if (c->code != CLI_FAILED || d->n == 1)
			return -1;
		cli_complain(c, err);
		h->was_refused = true;
	}
	return 0;
}

static int read_documents(struct cli *c, struct cli_documents *ret, struct err *err)
{
	const char *pipeline = cli_value(&c->args, "pipeline");

	if ((pipeline ? from_options(c, pipeline, ret, err) : from_files(c, ret, err)) < 0)
		return -1;
	if (ret->n > 1 && cli_has(&c->args, "id"))
		return cli_usage(c, err, "--id: %zu submissions cannot share one id", ret->n);
	return 0;
}

/* Ids go to standard output, so the progress goes to standard error. */
static int stay(struct cli *c, const struct handed_in *h, struct err *err)
{
	struct cli_look look = cli_look_of(fileno(c->msg));
	int code = cli_watch(c, (const char *const *)h->ids, h->n, c->json ? c->out : c->msg, &look, err);

	return code == CLI_OK && h->was_refused ? CLI_FAILED : code;
}

int cmd_submit(struct cli *c, struct err *err)
{
	scoped(cli_documents_done) struct cli_documents documents = { 0 };
	struct handed_in h = { 0 };
	int code = -1;

	if (read_documents(c, &documents, err) == 0 && hand_in_all(c, &documents, &h, err) == 0)
		code = h.n && cli_has(&c->args, "watch") ? stay(c, &h, err) : h.was_refused ? CLI_FAILED : CLI_OK;
	for (size_t i = 0; i < h.n; i++)
		free(h.ids[i]);
	free(h.ids);
	return code;
}
