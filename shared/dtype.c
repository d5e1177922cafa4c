#include "dtype.h"

#include <string.h>

static const struct dtype types[] = {
	{ "FP32", 1, 4 }, { "FP64", 11, 8 }, { "FP16", 10, 2 }, { "BF16", 16, 2 }, { "BOOL", 9, 1 },
	{ "UINT8", 2, 1 }, { "UINT16", 4, 2 }, { "UINT32", 12, 4 }, { "UINT64", 13, 8 },
	{ "INT8", 3, 1 }, { "INT16", 5, 2 }, { "INT32", 6, 4 }, { "INT64", 7, 8 },
	{ "BYTES", 8, 0 }, { "OTHER", 0, 0 },
};

const struct dtype *dtype_named(const char *name)
{
	for (size_t i = 0; i < countof(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

const struct dtype *dtype_of(int onnx)
{
	for (size_t i = 0; i < countof(types) - 1; i++)
		if (types[i].onnx == onnx)
			return &types[i];
	return &types[countof(types) - 1];
}

const char *dtype_names(void)
{
	return "FP32, FP64, FP16, BF16, BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64";
}
