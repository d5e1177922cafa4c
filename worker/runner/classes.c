#include "classes.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS_BYTES = 400 };           /* of score and index: the largest double has 309 digits before the point */

/* The bytes are no C string, so a copy of their beginning is read. */
static bool read_class(const char *text, size_t n, struct class_score *ret)
{
	char copy[NUMBERS_BYTES + 1], *end;
	size_t part = min_of(n, (size_t)NUMBERS_BYTES);
	struct class_score c = { 0 };

	memcpy(copy, text, part);
	copy[part] = '\0';
	if (isspace((unsigned char)*copy))
		return false;
	c.score = strtod(copy, &end);
	if (end == copy || *end != ':' || !isdigit((unsigned char)end[1]))
		return false;
	errno = 0;
	c.index = strtoul(end + 1, &end, 10);
	if (errno || !isfinite(c.score))
		return false;
	if (*end == ':') {
		c.label = text + (end + 1 - copy);
		c.label_len = n - (size_t)(end + 1 - copy);
	} else if ((size_t)(end - copy) != n) {
		return false;
	}
	*ret = c;
	return true;
}

int classes_of_texts(const struct tensor *t, struct class_score **ret, size_t *ret_n, struct err *err)
{
	scoped(free_p) struct class_score *list = NULL;
	size_t n = 0, cap = 0, at = 0, len;
	const char *text;

	if (strcmp(t->is.datatype, "BYTES") != 0)
		return err_set(err, ERR_RETRY, "the classes of '%.60s' came as %s, not as BYTES", t->is.name, t->is.datatype);
	while (tensor_next_text(t, &at, &text, &len)) {
		list = grow(list, n + 1, &cap, sizeof *list);
		if (!read_class(text, len, &list[n]))
			return err_set(err, ERR_RETRY, "class %zu of '%.60s' is '%.*s', not \"score:index\" or \"score:index:label\"", n,
				t->is.name, (int)min_of(len, (size_t)80), text);
		n++;
	}
	if (at != t->size || n == 0)
		return err_set(err, ERR_RETRY, "the classes of '%.60s' are no list of texts", t->is.name);
	*ret = steal(&list);
	*ret_n = n;
	return 0;
}

int classes_of_scores(const float *scores, size_t n, struct class_score **ret, struct err *err)
{
	scoped(free_p) struct class_score *list = xcalloc(n ? n : 1, sizeof *list);

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(scores[i]))
			return err_set(err, ERR_RETRY, "the score of class %zu is no number", i);
		list[i] = (struct class_score){ .score = (double)scores[i], .index = i };
	}
	*ret = steal(&list);
	return 0;
}

void classes_as_shares(struct class_score *list, size_t n)
{
	double sum = 0, greatest = -INFINITY;
	bool are_shares = true;

	for (size_t i = 0; i < n; i++) {
		sum += list[i].score;
		greatest = max_of(greatest, list[i].score);
		are_shares = are_shares && list[i].score >= 0 && list[i].score <= 1;
	}
	if (are_shares && fabs(sum - 1) <= 0.01)
		return;
	sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += list[i].score = exp(list[i].score - greatest);
	for (size_t i = 0; i < n; i++)
		list[i].score /= sum;
}

static int compare(const void *a, const void *b)
{
	const struct class_score *x = a, *y = b;

	if (x->score > y->score || x->score < y->score)
		return x->score > y->score ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

void classes_sort(struct class_score *list, size_t n)
{
	if (n)
		qsort(list, n, sizeof *list, compare);
}
