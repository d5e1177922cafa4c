/* Without a fuzzer: each file named on the command line, given to the target once. */
#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		scoped(close_p) int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		off_t size = lseek(fd, 0, SEEK_END);
		/* Of exactly its size, so that reading past it shows. */
		scoped(free_p) uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);

		must(fd >= 0 && size >= 0 && bytes != NULL);
		must(pread(fd, bytes, (size_t)size, 0) == size);
		LLVMFuzzerTestOneInput(bytes, (size_t)size);
	}
	return EXIT_SUCCESS;
}
