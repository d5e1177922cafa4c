#include "model_tensors.h"

#include <stdio.h>
#include <string.h>

char *model_tensors_text(const struct tensor_type *types, size_t n, char *to, size_t size)
{
	size_t at = 0;

	must(size > 0);
	*to = '\0';
	for (size_t i = 0; i < n && at + 1 < size; i++) {
		if (i)
			at += (size_t)snprintf(to + at, size - at, ", ");
		if (at + 1 < size)
			at += strlen(tensor_text(&types[i], to + at, size - at));
	}
	return to;
}

static const struct tensor_type *of_name(const struct tensor_type *types, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const struct tensor_type *model_input(const struct model *m, const char *name)
{
	return of_name(m->in, m->nin, name);
}

int model_output(const struct model *m, const char *usual, size_t rank, const char *tool, const struct tensor_type **ret,
	struct err *err)
{
	const struct tensor_type *found = of_name(m->out, m->nout, usual);
	size_t like = 0;
	char is[600];

	if (!found && m->nout == 1)
		found = &m->out[0];
	if (!found) {
		for (size_t i = 0; i < m->nout; i++)
			if (m->out[i].rank == rank) {
				found = &m->out[i];
				like++;
			}
		found = like == 1 ? found : NULL;
	}
	if (!found)
		return err_set(err, ERR_REJECT, "it gives %s; %s wants '%s', or one of %zu dimensions",
			m->nout ? model_tensors_text(m->out, m->nout, is, sizeof is) : "nothing", tool, usual, rank);
	*ret = found;
	return 0;
}

struct tensor model_integers(const char *name, int64_t rows, int64_t columns)
{
	struct tensor t = { .is = { .datatype = "INT64", .rank = 2, .shape = { rows, columns } } };

	snprintf(t.is.name, sizeof t.is.name, "%s", name);
	t.size = (size_t)rows * (size_t)columns * sizeof(int64_t);
	t.bytes = xcalloc(t.size ? t.size : 1, 1);
	return t;
}
