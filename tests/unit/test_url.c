#include "test.h"

#include "url.h"

#include <string.h>

TEST(url_of_http_with_a_host_is_fine)
{
	static const char *const row[] = { "http://example.org", "HTTPS://example.org:8443/a@b?c=d@e#f@g", "http://[::1]/x", "http://h/\xc3\xa4" };

	for (size_t i = 0; i < countof(row); i++)
		assert_null(url_problem(row[i]));
}

TEST(url_is_refused_with_what_is_allowed)
{
	static const struct { const char *url, *words; } row[] = {
		{ "", "http://" }, { "ftp://h/", "http://" }, { "file:///etc/passwd", "http://" }, { "//h/", "http://" },
		{ "http:///x", "host" }, { "http://:80/", "host" }, { "http://u@h/", "user" }, { "http://u:p@h/", "user" },
		{ "http://a@b@h/", "user" }, { "http://h\\@evil/", "\\" }, { "http://h/a b", "blanks" }, { "http://h/\r\nX: y", "blanks" },
	};

	for (size_t i = 0; i < countof(row); i++)
		if (!url_problem(row[i].url) || !strstr(url_problem(row[i].url), row[i].words))
			fail_msg("%s: %s", row[i].url, url_problem(row[i].url) ? url_problem(row[i].url) : "fine");
}

TEST(url_is_shown_without_its_password)
{
	char shown[64];

	assert_string_equal(url_shown("http://u:secret@h/a@b", shown, sizeof shown), "http://***@h/a@b");
	assert_string_equal(url_shown("ftp://a@secret@h/", shown, sizeof shown), "ftp://***@h/");
	assert_string_equal(url_shown("http://h/a@b", shown, sizeof shown), "http://h/a@b");
	assert_string_equal(url_shown("/a/path@x", shown, sizeof shown), "/a/path@x");
	assert_int_equal(strlen(url_shown("http://u:p@h/0123456789", shown, 12)), 11);
}
