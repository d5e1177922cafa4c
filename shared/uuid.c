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
#define POOL         240        /* one getrandom(), of at most 256 bytes, for that many */
#define OF_AN_ID     6          /* random bytes that an id takes from it */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t pool[POOL];
static size_t pool_left;

/* A child process has random bytes of its own. */
static void forget_pool(void)
{
	must(pthread_mutex_init(&lock, NULL) == 0);     /* a thread that is not there any more may have had it */
	pool_left = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
	must(pthread_atfork(NULL, NULL, forget_pool) == 0);
}

/* From the kernel's generator, each byte for one id only: what is left behind of an earlier id tells nothing of others. */
static void take_random(uint8_t to[OF_AN_ID])
{
	if (pool_left < OF_AN_ID) {
		randombytes_buf(pool, sizeof pool);
		pool_left = sizeof pool;
	}
	pool_left -= OF_AN_ID;
	memcpy(to, pool + pool_left, OF_AN_ID);
	memset(pool + pool_left, 0, OF_AN_ID);
}

/* RFC 9562, 6.2 method 2: the random bits of a millisecond begin with a counter of 42, which starts at a random
 * place and grows by a random amount of 1 to 1024, and a clock that is set back a little does not take the ids back with
 * it. One that is set back far was wrong before, and so were the ids: they return to the right time.
 * Who has seen an id has the next one by a guess in 2^42: ten bits of the step and the last 32 are random each time. */
void uuid_new(char text[UUID_TEXT])
{
	static int64_t last_ms;
	static uint64_t counter;
	int64_t now = clock_wall_us() / 1000;
	uint8_t b[16], fresh[OF_AN_ID];
	uint64_t step;

	must(pthread_mutex_lock(&lock) == 0);
	take_random(fresh);
	step = 1 + (((unsigned)fresh[0] << 8 | fresh[1]) & 1023);
	if (now > last_ms || now < last_ms - STEP_BACK_MS) {
		last_ms = now;
		take_random(b);
		counter = ((uint64_t)b[0] << 24 | (uint64_t)b[1] << 16 | (uint64_t)b[2] << 8 | b[3]) & 0x1fffffff;
	} else {
		counter += step;
	}
	put_ms(b, last_ms);
	b[6] = (uint8_t)(0x70 | ((counter >> 38) & 0x0f));
	b[7] = (uint8_t)(counter >> 30);
	b[8] = (uint8_t)(0x80 | ((counter >> 24) & 0x3f));
	b[9] = (uint8_t)(counter >> 16);
	b[10] = (uint8_t)(counter >> 8);
	b[11] = (uint8_t)counter;
	must(pthread_mutex_unlock(&lock) == 0);
	memcpy(b + 12, fresh + 2, 4);
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

		if (dash ? s[i] != '-' : !((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
	}
	return s[36] == '\0';
}

static const uint8_t digits[256] = { ['1'] = 1, ['2'] = 2, ['3'] = 3, ['4'] = 4, ['5'] = 5, ['6'] = 6, ['7'] = 7, ['8'] = 8, ['9'] = 9,
	['a'] = 10, ['b'] = 11, ['c'] = 12, ['d'] = 13, ['e'] = 14, ['f'] = 15 };

static uint8_t digit(char c)
{
	return digits[(unsigned char)c];
}

void uuid_raw(const char *text, uint8_t raw[16])
{
	for (int i = 0; i < 16; i++) {
		if (*text == '-')
			text++;
		raw[i] = 0;
		if (!text[0] || !text[1])
			continue;
		raw[i] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
}

void uuid_text(const uint8_t raw[16], char text[UUID_TEXT])
{
	format(raw, text);
}
