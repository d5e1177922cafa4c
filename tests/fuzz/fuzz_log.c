/* Log lines, with two texts from outside in them: one line of words, or one JSON object. */
#include "fuzz.h"

#include "log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The line as journald would get it. */
static size_t say(const char *a, const char *b, char *line, size_t size)
{
	scoped(close_p) int fd = memfd_create("line", MFD_CLOEXEC), screen = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	ssize_t n;

	must(fd >= 0 && screen >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	{
		log_scope(job, "%s", "01890a5d-ac96-774b-bcce-b302099a8057");
		log_error("fuzz.said", "n=%d a=%s b=%s of=%zu c=%s d=%s", 5, log_quote(a), log_quote(b), strlen(a), log_quote(b), log_quote(a));
	}
	must(dup2(screen, STDERR_FILENO) >= 0);
	n = pread(fd, line, size, 0);
	must(n > 1 && line[n - 1] == '\n');
	return (size_t)n - 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(free_p) char *a = fuzz_line(&data, &size), *b = fuzz_text(data, size);
	scoped(json_decref_p) json_t *object = NULL;
	char line[16384];
	size_t n;

	log_setup(LOG_INFO_, false);
	n = say(a, b, line, sizeof line);
	must(fuzz_is_utf8(line, n));
	for (size_t i = 0; i < n; i++)
		must((unsigned char)line[i] >= 0x20);
	log_setup(LOG_INFO_, true);
	n = say(a, b, line, sizeof line);
	log_setup(LOG_INFO_, false);
	object = fuzz_must_be_json(line, n);
	must(json_is_object(object) && strcmp(json_string_value(json_object_get(object, "ev")), "fuzz.said") == 0);
	return 0;
}
