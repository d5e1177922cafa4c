#include "child_infer.h"

#include "card.h"
#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static int describe(struct triton *t, struct triton_call *call, json_t **ret_answer, struct err *err)
{
	scoped(json_decref_p) json_t *model = NULL, *card = NULL;

	if (triton_describe(t, call, &model, err) < 0 || card_read(t->conf->models_dir, call->model, &card, err) < 0)
		return -1;
	*ret_answer = json_pack("{s:O, s:O}", "model", model, "card", card);
	must(*ret_answer != NULL);
	return 0;
}

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

static int infer(struct triton *t, struct triton_call *call, const json_t *said, const int *fds, size_t nfds,
	json_t **ret_answer, int *ret_fd, struct err *err)
{
	scoped(json_decref_p) json_t *outputs = NULL;
	scoped(buf_free) struct buf bytes = { 0 };

	if (nfds != 1)
		return err_set(err, ERR_REJECT, "%zu files came with the tensors, one is allowed", nfds);
	if (triton_infer(t, call, said, fds[0], &outputs, &bytes, err) < 0 || write_memory(&bytes, ret_fd, err) < 0)
		return -1;
	*ret_answer = json_pack("{s:O}", "outputs", outputs);
	must(*ret_answer != NULL);
	return 0;
}

int child_infer(int sock, struct triton *t, struct triton_call *call, const json_t *said, const int *fds, size_t nfds,
	struct err *err)
{
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(close_p) int fd = -1;
	struct err why;
	int rc;

	call->model = text_of(said, "model");
	call->version = text_of(said, "version");
	if (strcmp(text_of(said, "ask"), "model") == 0)
		rc = describe(t, call, &answer, &why);
	else
		rc = infer(t, call, said, fds, nfds, &answer, &fd, &why);
	if (rc < 0 && why.kind == ERR_CANCEL) {
		*err = why;
		return -1;
	}
	if (rc < 0)
		answer = json_pack("{s:{s:s, s:s}}", "error", "kind", err_kind_name(why.kind), "message", why.msg);
	must(answer != NULL);           /* struct err is always UTF-8 */
	return wire_send_json(sock, answer, &fd, fd >= 0 ? 1 : 0, err);
}
