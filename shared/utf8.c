#include "utf8.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_sequence(const char *text, size_t n)
{
	const unsigned char *s = (const unsigned char *)text;

	if (n >= 1 && s[0] < 0x80)
		return 1;
	if (n >= 2 && s[0] >= 0xc2 && s[0] <= 0xdf && is_tail(s[1]))
		return 2;
	if (n >= 3 && (s[0] & 0xf0) == 0xe0 && is_tail(s[1]) && is_tail(s[2])
		&& !(s[0] == 0xe0 && s[1] < 0xa0) && !(s[0] == 0xed && s[1] > 0x9f))
		return 3;
	if (n >= 4 && s[0] >= 0xf0 && s[0] <= 0xf4 && is_tail(s[1]) && is_tail(s[2]) && is_tail(s[3])
		&& !(s[0] == 0xf0 && s[1] < 0x90) && !(s[0] == 0xf4 && s[1] > 0x8f))
		return 4;
	return 0;
}

size_t utf8_whole(const char *s, size_t n)
{
	size_t lead = n;

	while (lead && n - lead < 3 && is_tail((unsigned char)s[lead - 1]))
		lead--;
	if (!lead || (unsigned char)s[lead - 1] < 0x80)
		return n;
	lead--;
	return utf8_sequence(s + lead, n - lead) == n - lead ? n : lead;
}

static void add_one(struct buf *b, const char *s, size_t len)
{
	unsigned char c = (unsigned char)*s;

	if (len == 0)
		buf_puts(b, "\xef\xbf\xbd");
	else if (c == '"' || c == '\\')
		buf_add(b, (const char[]){ '\\', (char)c }, 2);
	else if (c < 0x20)
		buf_printf(b, "\\u%04x", c);
	else
		buf_add(b, s, len);
}

void utf8_json_string(struct buf *b, const char *bytes, size_t n)
{
	size_t plain = 0;       /* bytes from the last add that can go as they are */

	buf_add(b, "\"", 1);
	for (size_t i = 0; i < n;) {
		size_t len = utf8_sequence(bytes + i, n - i);
		unsigned char c = (unsigned char)bytes[i];

		if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
			plain += len, i += len;
			continue;
		}
		buf_add(b, bytes + i - plain, plain);
		plain = 0;
		add_one(b, bytes + i, len);
		i += len ? len : 1;
	}
	buf_add(b, bytes + n - plain, plain);
	buf_add(b, "\"", 1);
}
