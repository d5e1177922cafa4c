#include "meter.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int statm = -1;

void meter_open(void)
{
	if (statm < 0)
		statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
}

size_t meter_rss(void)
{
	char text[128];
	ssize_t n = statm < 0 ? -1 : pread(statm, text, sizeof text - 1, 0);
	const char *second;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	second = strchr(text, ' ');
	return second ? strtoul(second + 1, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

size_t meter_peak(void)
{
	struct rusage usage = { 0 };

	getrusage(RUSAGE_SELF, &usage);
	return (size_t)usage.ru_maxrss << 10;
}
