#include "clock.h"

#include "base.h"
#include "fault.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static int64_t now_us(clockid_t id)
{
	struct timespec t;

	must(clock_gettime(id, &t) == 0);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
	return now_us(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

int64_t clock_wall_us(void)
{
	return now_us(CLOCK_REALTIME) + fault_clock_us();
}

char *clock_format(int64_t wall_us, char *buf)
{
	static _Thread_local time_t last_s;
	static _Thread_local char last[CLOCK_TEXT];     /* of that second; it is the same one most of the time */
	time_t s = (time_t)(wall_us / 1000000);
	unsigned us = (unsigned)(wall_us % 1000000);
	struct tm tm;
	char *p;

	if (s != last_s || !*last) {
		must(gmtime_r(&s, &tm) != NULL);
		must(strftime(last, sizeof last, "%Y-%m-%dT%H:%M:%S.000000Z", &tm) > 0);
		last_s = s;
	}
	memcpy(buf, last, CLOCK_TEXT);
	for (p = buf + strlen(buf) - 2; us; us /= 10)
		*p-- = (char)('0' + us % 10);
	return buf;
}

void clock_sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}
