/* PIXELFLEET_LISTEN: host and port are what was written, or it is refused. */
#include "fuzz.h"

#include "listener.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *text = fuzz_text(data, size);
	char host[LISTENER_HOST], port[LISTENER_PORT];
	struct err err;
	size_t n;

	if (listener_split(text, host, port, &err) < 0) {
		fuzz_check_refusal(&err);
		return 0;
	}
	n = strlen(host);
	must(n > 0 && strncmp(text + (*text == '['), host, n) == 0);
	must(strtoul(port, NULL, 10) == strtoul(strrchr(text, ':') + 1, NULL, 10));
	must(text[n] == ':' || (*text == '[' && text[n + 1] == ']' && text[n + 2] == ':'));
	return 0;
}
