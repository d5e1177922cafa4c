#include "vector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The double that prints as what %.9g does: results are written with 15 digits. */
static double nine_digits(double v)
{
	char text[40];

	snprintf(text, sizeof text, "%.9g", v);
	return strtod(text, NULL);
}

int vector_json(const float *v, size_t n, const char *what, json_t **ret, struct err *err)
{
	double length = 0;
	json_t *list;

	for (size_t i = 0; i < n; i++) {
		if (!isfinite(v[i]))
			return err_set(err, ERR_REJECT, "%s has a value that is no number (%f, at %zu of %zu)", what, (double)v[i], i, n);
		length += (double)v[i] * (double)v[i];
	}
	if (!(length > 0))
		return err_set(err, ERR_REJECT, "%s is 0 in all of its %zu values", what, n);
	length = sqrt(length);
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_real(nine_digits((double)v[i] / length)));
	*ret = list;
	return 0;
}

int vector_of_output(const struct model *model, const struct tensor *out, const char *tool, json_t **ret, struct err *err)
{
	const json_t *dim = json_object_get(model->card, "dim");
	char is[400];

	if (out->is.rank != 2 || out->is.shape[0] != 1 || out->is.shape[1] < 1 || strcmp(out->is.datatype, "FP32") != 0)
		return err_set(err, ERR_REJECT, "it gives %s, %s wants numbers [1,dim]", tensor_text(&out->is, is, sizeof is), tool);
	if (json_is_integer(dim) && json_integer_value(dim) != out->is.shape[1])
		return err_set(err, ERR_REJECT, "it gives %s, its model.json says \"dim\": %lld", tensor_text(&out->is, is, sizeof is),
			(long long)json_integer_value(dim));
	return vector_json(out->bytes, (size_t)out->is.shape[1], "the embedding", ret, err);
}
