/* The method and the path of a request, one line each. */
#include "fuzz.h"

#include "routes.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *method = fuzz_line(&data, &size), *path = fuzz_text(data, size);
	scoped(route_match_done) struct route_match m;

	route_find(method, path, &m);
	must((m.route != NULL) == (m.status == 200));
	must(m.route || m.status == 400 || m.status == 404 || m.status == 405);
	must((m.status == 405) <= (*m.allow != '\0'));
	for (size_t k = 0; k < ROUTE_PARAMS; k++)
		must(!m.params[k] || (m.route && *m.params[k] && strlen(m.params[k]) <= ROUTE_PARAM_MAX &&
			fuzz_is_utf8(m.params[k], strlen(m.params[k]))));
	return 0;
}
