#include "child_infer.h"

#include "card.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static json_t *make_description(json_t *model, const struct card *card, const char *device)
{
	json_t *answer = json_pack("{s:O, s:O, s:s, s:s}", "model", model, "card", card->text, "dir", card->dir, "device", device);

	must(answer != NULL);
	return answer;
}

/* ---- a model server ---- */

static int write_memory(const struct buf *bytes, int *ret_fd, struct err *err)
{
	scoped(close_p) int fd = memfd_create("tensors", MFD_CLOEXEC);

	if (fd < 0)
		return err_set(err, ERR_RETRY, "no memory for a model's answer: %s", strerror(errno));
	for (size_t at = 0; at < bytes->len;) {
		ssize_t n = pwrite(fd, bytes->text + at, bytes->len - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, ERR_RETRY, "no memory for a model's answer: %s", strerror(errno));
		at += (size_t)n;
	}
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int describe_served(const struct child_infer *x, const struct card *card, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *model = NULL;

	if (triton_describe(x->triton, x->triton_call, &model, err) < 0)
		return -1;
	*ret = make_description(model, card, "triton");
	return 0;
}

static int infer_served(const struct child_infer *x, const json_t *said, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	scoped(json_decref_p) json_t *outputs = NULL;
	scoped(buf_free) struct buf bytes = { 0 };

	if (triton_infer(x->triton, x->triton_call, said, fd, &outputs, &bytes, err) < 0 || write_memory(&bytes, ret_fd, err) < 0)
		return -1;
	*ret = json_pack("{s:O}", "outputs", outputs);
	must(*ret != NULL);
	return 0;
}

/* ---- the inference process ---- */

static int describe_here(const struct child_infer *x, json_t **ret, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;

	if (inference_describe(x->seat, x->call, &answer, err) < 0)
		return -1;
	*ret = make_description(json_object_get(answer, "model"), x->call->card, text_of(answer, "device"));
	return 0;
}

static int infer_here(const struct child_infer *x, const json_t *said, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;

	if (inference_infer(x->seat, x->call, said, fd, &answer, ret_fd, err) < 0)
		return -1;
	*ret = json_pack("{s:O}", "outputs", json_object_get(answer, "outputs"));
	must(*ret != NULL);
	return 0;
}

/* ---- which ---- */

static int find_card(const struct child_infer *x, const json_t *said, struct card *ret, struct err *err)
{
	const char *model = text_of(said, "model"), *part = text_of(said, "part");

	if (x->is_triton)
		return card_find_served(x->conf->models_dir, model, part, ret, err);
	return card_find(x->conf->models_dir, model, part, ret, err);
}

int child_infer(struct child_infer *x, const json_t *said, const int *fds, size_t nfds, json_t **ret, int *ret_fd, struct err *err)
{
	bool is_question = strcmp(text_of(said, "ask"), "model") == 0;
	scoped(card_done) struct card card = { 0 };

	*ret_fd = -1;
	x->is_triton = strcmp(text_of(said, "backend"), "triton") == 0;
	if (!x->is_triton && strcmp(text_of(said, "backend"), "onnx") != 0)
		return err_set(err, ERR_REJECT, "there is no backend '%.40s': allowed are \"onnx\" and \"triton\"", text_of(said, "backend"));
	if (!is_question && nfds != 1)
		return err_set(err, ERR_REJECT, "%zu files came with the tensors, one is allowed", nfds);
	if (find_card(x, said, &card, err) < 0)
		return -1;
	if (x->is_triton) {
		x->triton_call->model = card.triton;
		x->triton_call->version = text_of(said, "version");
		return is_question ? describe_served(x, &card, ret, err) : infer_served(x, said, fds[0], ret, ret_fd, err);
	}
	x->call->card = &card;
	return is_question ? describe_here(x, ret, err) : infer_here(x, said, fds[0], ret, ret_fd, err);
}
