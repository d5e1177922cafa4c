/* Which queues with how many slots. */
#include "fuzz.h"

#include "spec.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size);
	scoped(buf_free) struct buf b = { 0 };
	struct spec s, again;
	struct err err;

	if (spec_parse(text, &s, &err) < 0) {
		fuzz_check_refusal(&err);
		return 0;
	}
	must(s.n >= 1 && s.n <= SPEC_QUEUES);
	for (size_t i = 0; i < s.n; i++) {
		must(s.slots[i] >= 1 && s.slots[i] <= SPEC_SLOTS && strlen(s.queue[i]) < SPEC_NAME && strstr(text, s.queue[i]));
		buf_printf(&b, "%s%s=%u", i ? "," : "", s.queue[i], s.slots[i]);
	}
	must(spec_parse(b.text, &again, &err) == 0 && memcmp(&s, &again, sizeof s) == 0);
	return 0;
}
