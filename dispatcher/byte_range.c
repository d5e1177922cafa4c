#include "byte_range.h"

#include <string.h>

#define DIGITS_MAX 18

/* false: no number of up to DIGITS_MAX digits. *s is behind it then. */
static bool read_number(const char **s, uint64_t *ret)
{
	size_t n = strspn(*s, "0123456789");

	*ret = 0;
	for (size_t i = 0; i < n && n <= DIGITS_MAX; i++)
		*ret = *ret * 10 + (uint64_t)((*s)[i] - '0');
	*s += n;
	return n > 0 && n <= DIGITS_MAX;
}

static enum byte_range last_bytes(uint64_t n, uint64_t size, uint64_t *ret_from, uint64_t *ret_n)
{
	if (n == 0 || size == 0)
		return RANGE_NONE;
	*ret_n = min_of(n, size);
	*ret_from = size - *ret_n;
	return RANGE_PART;
}

enum byte_range byte_range_parse(const char *header, uint64_t size, uint64_t *ret_from, uint64_t *ret_n)
{
	const char *s = header;
	uint64_t from, to;
	bool has_from, has_to;

	if (!s || strncmp(s, "bytes=", 6) != 0)
		return RANGE_ALL;
	s += 6;
	has_from = read_number(&s, &from);
	if (*s++ != '-')
		return RANGE_ALL;
	has_to = read_number(&s, &to);
	if (*s || (!has_from && !has_to) || (has_from && has_to && to < from) || (!has_to && s[-1] != '-') || (!has_from && header[6] != '-'))
		return RANGE_ALL;
	if (!has_from)
		return last_bytes(to, size, ret_from, ret_n);
	if (from >= size)
		return RANGE_NONE;
	*ret_from = from;
	*ret_n = (has_to ? min_of(to, size - 1) : size - 1) - from + 1;
	return RANGE_PART;
}
