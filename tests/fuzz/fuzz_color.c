/* A color: four values, or it is none. */
#include "fuzz.h"

#include "tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size);
	uint8_t c[4] = { 1, 2, 3, 4 }, again[4];
	char full[16];

	if (color_parse(text, c) < 0) {
		must(c[0] == 1 && c[1] == 2 && c[2] == 3 && c[3] == 4);
		return 0;
	}
	must(*text == '#' && strspn(text + 1, "0123456789abcdefABCDEF") == strlen(text) - 1);
	snprintf(full, sizeof full, "#%02x%02x%02x%02x", c[0], c[1], c[2], c[3]);
	must(color_parse(full, again) == 0 && memcmp(c, again, 4) == 0);
	return 0;
}
