#include "uuid.h"

#include "base.h"
#include "clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

static void format(const uint8_t b[16], char text[UUID_TEXT])
{
	static const char hex[] = "0123456789abcdef";
	char *p = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		*p++ = hex[b[i] >> 4];
		*p++ = hex[b[i] & 15];
	}
	*p = '\0';
}

static void put_ms(uint8_t b[16], int64_t ms)
{
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)(ms >> (40 - 8 * i));
}

#define STEP_BACK_MS 60000

/* RFC 9562, 6.2 method 2: the 74 random bits of a millisecond are a counter that grows by a
 * random amount, and a clock that is set back a little does not take the ids back with it. One that
 * is set back far was wrong before, and so were the ids: they return to the right time. */
void uuid_new(char text[UUID_TEXT])
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static int64_t last_ms;
	static uint64_t counter;
	int64_t now = clock_wall_us() / 1000;
	uint8_t b[16];

	randombytes_buf(b, sizeof b);
	must(pthread_mutex_lock(&lock) == 0);
	if (now > last_ms || now < last_ms - STEP_BACK_MS) {
		last_ms = now;
		counter = randombytes_random() & 0x1fffffff;
	} else {
		counter += 1 + randombytes_uniform(1024);
	}
	put_ms(b, last_ms);
	b[6] = (uint8_t)(0x70 | ((counter >> 38) & 0x0f));
	b[7] = (uint8_t)(counter >> 30);
	b[8] = (uint8_t)(0x80 | ((counter >> 24) & 0x3f));
	b[9] = (uint8_t)(counter >> 16);
	b[10] = (uint8_t)(counter >> 8);
	b[11] = (uint8_t)counter;
	must(pthread_mutex_unlock(&lock) == 0);
	format(b, text);
}

void uuid_at(int64_t wall_ms, char text[UUID_TEXT])
{
	uint8_t b[16] = { 0 };

	put_ms(b, wall_ms);
	format(b, text);
}

bool uuid_is(const char *s)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !(s[i] && strchr("0123456789abcdef", s[i])))
			return false;
	}
	return s[36] == '\0';
}
