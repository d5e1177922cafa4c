#include "fake_model.h"

#include "test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const json_t *first_input(const json_t *question)
{
	return json_array_get(json_object_get(question, "inputs"), 0);
}

bool fake_describes(const json_t *question, const char *says, json_t **ret, int *ret_fd)
{
	*ret_fd = -1;
	if (strcmp(json_string_value(json_object_get(question, "ask")), "model") != 0)
		return false;
	*ret = json_loads(says, 0, NULL);
	assert_non_null(*ret);
	return true;
}

const char *fake_part(const json_t *question)
{
	return json_string_value(json_object_get(question, "part"));
}

void fake_input(const json_t *question, int fd, void *to, size_t size)
{
	assert_int_equal(json_integer_value(json_object_get(first_input(question), "bytes")), size);
	assert_int_equal(pread(fd, to, size, 0), size);
}

int fake_rows(const json_t *question)
{
	return (int)json_integer_value(json_array_get(json_object_get(first_input(question), "shape"), 0));
}

void fake_answer(const struct fake_tensor *tensors, size_t n, json_t **ret, int *ret_fd)
{
	json_t *outputs = json_array();
	size_t at = 0;
	int fd = memfd_create("answer", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < n; i++) {
		const struct fake_tensor *t = &tensors[i];
		size_t size = t->n * sizeof *t->values;
		json_t *shape = json_loads(t->shape, 0, NULL);

		assert_non_null(shape);
		assert_int_equal(write(fd, t->values, size), size);
		json_array_append_new(outputs, json_pack("{s:s, s:s, s:o, s:I, s:I}", "name", t->name, "datatype", "FP32",
			"shape", shape, "offset", (json_int_t)at, "bytes", (json_int_t)size));
		at += size;
	}
	*ret = json_pack("{s:o}", "outputs", outputs);
	*ret_fd = fd;
}
