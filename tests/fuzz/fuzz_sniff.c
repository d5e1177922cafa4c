/* The first bytes of a file. */
#include "fuzz.h"

#include "sniff.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct picture_type *type = NULL;
	struct err err;

	size = min_of(size, (size_t)SNIFF_BYTES);
	if (sniff_picture(data, size, &type, &err) == 0) {
		must(size > 0 && strncmp(type->media_type, "image/", 6) == 0 && *type->name);
		return 0;
	}
	must(err.kind == ERR_REJECT && !type);
	for (const char *c = err.msg; *c; c++)
		must(*c >= 0x20 && *c < 0x7f);
	return 0;
}
