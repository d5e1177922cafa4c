#include "infer.h"

#include "output.h"
#include "params.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int infer_target(const json_t *params, struct infer_target *ret, struct err *err)
{
	struct infer_target at = { param_str(params, "backend", "onnx"), param_str(params, "model", ""), "", param_str(params, "version", ""), 0 };

	if (strcmp(at.backend, "onnx") != 0 && strcmp(at.backend, "triton") != 0)
		return err_set(err, ERR_REJECT, "there is no backend '%.40s': allowed are \"onnx\" and \"triton\"", at.backend);
	if (!*at.model)
		return err_set(err, ERR_REJECT, "the backend '%.40s' needs the parameter \"model\", a model's name", at.backend);
	*ret = at;
	return 0;
}

void model_done(struct model *m)
{
	json_decref(m->card);
	*m = (struct model){ 0 };
}

/* ---- reading what comes ---- */

static int read_type(const json_t *from, bool may_be_free, struct tensor_type *ret, struct err *err)
{
	const char *name = json_string_value(json_object_get(from, "name"));
	const char *datatype = json_string_value(json_object_get(from, "datatype"));
	const json_t *shape = json_object_get(from, "shape");
	struct tensor_type t = { .rank = json_array_size(shape) };

	if (!name || strlen(name) >= TENSOR_NAME || !datatype || strlen(datatype) >= sizeof t.datatype || t.rank > TENSOR_RANK)
		return err_set(err, ERR_REJECT, "a tensor of the model has no name, no type, or more than %d dimensions", TENSOR_RANK);
	snprintf(t.name, sizeof t.name, "%s", name);
	snprintf(t.datatype, sizeof t.datatype, "%s", datatype);
	for (size_t i = 0; i < t.rank; i++) {
		const json_t *d = json_array_get(shape, i);

		t.shape[i] = json_is_integer(d) ? json_integer_value(d) : -2;
		if (t.shape[i] > INT32_MAX || t.shape[i] < (may_be_free ? -1 : 0))
			return err_set(err, ERR_REJECT, "tensor '%.60s' of the model: dimension %zu is no size", name, i);
	}
	*ret = t;
	return 0;
}

static int read_types(const json_t *list, struct tensor_type *to, size_t *ret_n, struct err *err)
{
	size_t n = json_array_size(list);

	if (n > MODEL_TENSORS)
		return err_set(err, ERR_REJECT, "the model has %zu inputs or outputs, at most %d are allowed", n, MODEL_TENSORS);
	for (size_t i = 0; i < n; i++)
		if (read_type(json_array_get(list, i), true, &to[i], err) < 0)
			return -1;
	*ret_n = n;
	return 0;
}

static int read_error(const json_t *answer, struct err *err)
{
	const json_t *e = json_object_get(answer, "error");
	const char *kind = json_string_value(json_object_get(e, "kind")), *text = json_string_value(json_object_get(e, "message"));
	enum err_kind k = ERR_RETRY;

	if (kind && err_kind_parse(kind, &k) < 0)
		k = ERR_RETRY;
	return err_set(err, k, "%s", text ? text : "the worker did not say what became of the model");
}

/* The worker's answer. *ret_fd is -1 when no file came along. */
static int ask(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;

	*ret_fd = -1;
	if (!ctx->ask)
		return err_set(err, ERR_REJECT, "models are reached through a worker, which is not there");
	if (ctx->ask(ctx, question, fd, &answer, ret_fd, err) < 0)
		return -1;
	if (json_object_get(answer, "error")) {
		close_p(ret_fd);
		*ret_fd = -1;
		return read_error(answer, err);
	}
	*ret = steal(&answer);
	return 0;
}

int infer_describe(struct runner_ctx *ctx, const struct infer_target *at, struct model *ret, struct err *err)
{
	scoped(json_decref_p) json_t *question = json_pack("{s:s, s:s, s:s, s:s, s:s}", "ask", "model", "backend", at->backend,
		"model", at->model, "part", at->part, "version", at->version);
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(close_p) int fd = -1;
	struct model m = { 0 };
	const json_t *said;

	if (ask(ctx, question, -1, &answer, &fd, err) < 0)
		return -1;
	said = json_object_get(answer, "model");
	if (read_types(json_object_get(said, "inputs"), m.in, &m.nin, err) < 0 ||
	    read_types(json_object_get(said, "outputs"), m.out, &m.nout, err) < 0)
		return err_wrap(err, "model '%.128s'", at->model);
	m.card = json_is_object(json_object_get(answer, "card")) ? json_incref(json_object_get(answer, "card")) : json_object();
	snprintf(m.dir, sizeof m.dir, "%s", param_str(answer, "dir", ""));
	snprintf(m.device, sizeof m.device, "%s", param_str(answer, "device", at->backend));
	*ret = m;
	return 0;
}

/* ---- running ---- */

static int write_memory(const struct tensor *in, size_t nin, int *ret_fd, struct err *err)
{
	scoped(close_p) int fd = memfd_create("tensors", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, ERR_RETRY, "no memory for a model's input: %s", strerror(errno));
	for (size_t i = 0; i < nin; i++)
		for (size_t at = 0; at < in[i].size;) {
			ssize_t n = write(fd, (const char *)in[i].bytes + at, in[i].size - at);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return err_set(err, ERR_RETRY, "no memory for a model's input: %s", strerror(errno));
			at += (size_t)n;
		}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* What is asked for: outputs by name, or the best classes of one. */
struct wanted {
	const char *const *names;
	size_t n, classes;
};

static json_t *make_question(const struct infer_target *at, const struct tensor *in, size_t nin, const struct wanted *want)
{
	json_t *inputs = json_array(), *outputs = json_array(), *keeps = at->keeps ? json_integer((json_int_t)at->keeps) : NULL;

	for (size_t i = 0; i < nin; i++) {
		json_t *shape = json_array();

		for (size_t k = 0; k < in[i].is.rank; k++)
			json_array_append_new(shape, json_integer(in[i].is.shape[k]));
		json_array_append_new(inputs, json_pack("{s:s, s:s, s:o, s:I}", "name", in[i].is.name, "datatype", in[i].is.datatype,
			"shape", shape, "bytes", (json_int_t)in[i].size));
	}
	for (size_t i = 0; i < want->n; i++)
		json_array_append_new(outputs, want->classes ? json_pack("{s:s, s:I}", "name", want->names[i], "classification",
			(json_int_t)want->classes) : json_string(want->names[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o*}", "ask", "infer", "backend", at->backend, "model", at->model,
		"part", at->part, "version", at->version, "inputs", inputs, "outputs", outputs, "keeps", keeps);
}

/* Copied, not mapped: nobody has to trust the other side not to shorten it. */
static int read_memory(int fd, const json_t *from, struct tensor *to, struct err *err)
{
	json_int_t offset = json_integer_value(json_object_get(from, "offset")), size = json_integer_value(json_object_get(from, "bytes"));

	if (offset < 0 || size < 0 || (size_t)size > TENSOR_BYTES_MAX || (size_t)offset > TENSOR_BYTES_MAX)
		return err_set(err, ERR_RETRY, "output '%.60s' has %lld bytes, at most %zu are allowed", to->is.name, (long long)size,
			TENSOR_BYTES_MAX);
	to->size = (size_t)size;
	to->bytes = xcalloc(to->size ? to->size : 1, 1);
	for (size_t at = 0; at < to->size;) {
		ssize_t n = pread(fd, (char *)to->bytes + at, to->size - at, (off_t)offset + (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_RETRY, "the bytes of output '%.60s' did not come along", to->is.name);
		at += (size_t)n;
	}
	return 0;
}

static int take_output(const json_t *outputs, const char *name, int fd, struct tensor *ret, struct err *err)
{
	for (size_t i = 0; i < json_array_size(outputs); i++) {
		const json_t *from = json_array_get(outputs, i);
		const char *its = json_string_value(json_object_get(from, "name"));

		if (!its || strcmp(its, name) != 0)
			continue;
		if (read_type(from, false, &ret->is, err) < 0)
			return -1;
		return read_memory(fd, from, ret, err);
	}
	return err_set(err, ERR_REJECT, "it gives no output '%.60s' (%zu others)", name, json_array_size(outputs));
}

/* All of them or none. */
static int take_outputs(const json_t *answer, int fd, const struct wanted *want, bool as_floats, struct tensor *ret, struct err *err)
{
	for (size_t i = 0; i < want->n; i++) {
		struct tensor t = { 0 };

		if (take_output(json_object_get(answer, "outputs"), want->names[i], fd, &t, err) < 0 ||
		    (as_floats && tensor_as_floats(&t, err) < 0)) {
			tensor_done(&t);
			while (i-- > 0)
				tensor_done(&ret[i]);
			return -1;
		}
		ret[i] = t;
	}
	return 0;
}

static int ask_model(struct runner_ctx *ctx, const struct infer_target *at, const struct tensor *in, size_t nin,
	const struct wanted *want, bool as_floats, struct tensor *ret, struct err *err)
{
	scoped(json_decref_p) json_t *question = make_question(at, in, nin, want);
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(close_p) int sent = -1, came = -1;

	must(question != NULL);
	if (write_memory(in, nin, &sent, err) < 0 || ask(ctx, question, sent, &answer, &came, err) < 0)
		return -1;
	if (take_outputs(answer, came, want, as_floats, ret, err) < 0)
		return err_wrap(err, "model '%.128s'", at->model);
	return 0;
}

/* The types that the model takes; NULL when all are those already. */
static int convert_inputs(const struct model *model, const struct tensor *in, size_t nin, struct tensor **ret, struct err *err)
{
	*ret = NULL;
	for (size_t i = 0; i < nin; i++)
		for (size_t k = 0; k < model->nin; k++) {
			const struct tensor_type *wanted = &model->in[k];

			if (strcmp(wanted->name, in[i].is.name) != 0 || strcmp(wanted->datatype, in[i].is.datatype) == 0)
				continue;
			if (!*ret)
				*ret = xcalloc(nin, sizeof **ret);
			if (tensor_convert(&in[i], wanted->datatype, &(*ret)[i], err) < 0)
				return -1;
		}
	return 0;
}

static void converted_done(struct tensor *converted, size_t n)
{
	for (size_t i = 0; converted && i < n; i++)
		tensor_done(&converted[i]);
	free(converted);
}

static int run(struct runner_ctx *ctx, const struct infer_target *at, const struct model *model, const struct tensor *in, size_t nin,
	const struct wanted *want, bool as_floats, struct tensor *ret, struct err *err)
{
	struct tensor *converted = NULL, given[MODEL_TENSORS];
	int rc;

	if (nin > MODEL_TENSORS)
		return err_set(err, ERR_REJECT, "model '%.128s': %zu inputs, at most %d are allowed", at->model, nin, MODEL_TENSORS);
	if (!model)
		return ask_model(ctx, at, in, nin, want, as_floats, ret, err);
	rc = convert_inputs(model, in, nin, &converted, err);
	for (size_t i = 0; i < nin; i++)
		given[i] = converted && converted[i].bytes ? converted[i] : in[i];
	if (rc < 0)
		err_wrap(err, "model '%.128s'", at->model);
	else
		rc = ask_model(ctx, at, given, nin, want, as_floats, ret, err);
	converted_done(converted, nin);
	return rc;
}

int infer_run(struct runner_ctx *ctx, const struct infer_target *at, const struct model *model, const struct tensor *in,
	size_t nin, const char *const *want, struct tensor *ret, size_t nwant, struct err *err)
{
	const struct wanted wanted = { want, nwant, 0 };

	return run(ctx, at, model, in, nin, &wanted, model != NULL, ret, err);
}

int infer_classify(struct runner_ctx *ctx, const struct infer_target *at, const struct model *model, const struct tensor *in,
	size_t nin, const char *output, size_t most, struct tensor *ret, struct err *err)
{
	const struct wanted wanted = { &output, 1, most };

	must(strcmp(at->backend, "triton") == 0 && most > 0);
	return run(ctx, at, model, in, nin, &wanted, false, ret, err);
}
