#include "card.h"

#include "kserve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CARD_MAX ((off_t)1 << 20)

static int read_all(int fd, const char *path, struct buf *to, struct err *err)
{
	char piece[4096];
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CARD_MAX)
		return err_set(err, ERR_REJECT, "'%.300s' is no file of at most %lld bytes", path, (long long)CARD_MAX);
	while ((n = read(fd, piece, sizeof piece)) > 0 && (off_t)to->len <= CARD_MAX)
		buf_add(to, piece, (size_t)n);
	return n < 0 ? err_set(err, ERR_RETRY, "cannot read '%.300s': %s", path, strerror(errno)) : 0;
}

static int check_labels(const json_t *labels, const char *path, struct err *err)
{
	for (size_t i = 0; i < json_array_size(labels); i++)
		if (!json_is_string(json_array_get(labels, i)))
			return err_set(err, ERR_REJECT, "'%.300s': label %zu is no text", path, i);
	if (labels && !json_is_array(labels))
		return err_set(err, ERR_REJECT, "'%.300s': \"labels\" is no list of texts", path);
	return 0;
}

int card_read(const char *models_dir, const char *model, json_t **ret, struct err *err)
{
	scoped(free_p) char *path = xasprintf("%s/%s/model.json", models_dir, model);
	scoped(close_p) int fd = -1;
	scoped(buf_free) struct buf text = { 0 };
	scoped(json_decref_p) json_t *card = NULL;
	json_error_t e;

	must(kserve_is_name(model));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		*ret = json_object();
		return 0;
	}
	if (fd < 0)
		return err_set(err, ERR_REJECT, "cannot read '%.300s': %s", path, strerror(errno));
	if (read_all(fd, path, &text, err) < 0)
		return -1;
	card = json_loadb(text.text ? text.text : "", text.len, JSON_REJECT_DUPLICATES, &e);
	if (!json_is_object(card))
		return err_set(err, ERR_REJECT, "'%.300s' is no JSON object: %s", path, card ? "other JSON" : e.text);
	if (check_labels(json_object_get(card, "labels"), path, err) < 0)
		return -1;
	*ret = steal(&card);
	return 0;
}
