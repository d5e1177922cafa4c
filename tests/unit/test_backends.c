#include "backends.h"
#include "test.h"

#include <string.h>

#define OPEN(name, state) "{\"backend\":\"" name "\",\"state\":\"" state "\",\"since\":\"2026-01-01T00:00:00Z\",\"why\":\"refused\"}"

static void tell(struct backends *b, const char *text)
{
	scoped(json_decref_p) json_t *list = json_loads(text, 0, NULL);

	assert_non_null(list);
	backends_told(b, list);
}

static bool is_open(struct backends *b, const char *name)
{
	char why[300];

	return backends_is_open(b, name, why, sizeof why);
}

TEST(backends_that_dispatchers_list_are_open_until_they_do_not)
{
	struct backends b;
	char why[300] = "";

	backends_init(&b);
	assert_false(is_open(&b, "triton"));
	tell(&b, "[" OPEN("triton", "open") "," OPEN("callback:a:80", "half_open") "," OPEN("callback:b:80", "closed") ","
		OPEN("callback:c:80", "overdue") ",7,{},{\"backend\":7,\"state\":\"open\"}]");
	assert_true(backends_is_open(&b, "triton", why, sizeof why));
	assert_string_equal(why, "since 2026-01-01T00:00:00Z: refused");
	assert_true(is_open(&b, "callback:a:80"));
	assert_false(is_open(&b, "callback:b:80"));
	assert_false(is_open(&b, "callback:c:80"));
	tell(&b, "[" OPEN("callback:a:80", "open") "]");
	assert_false(is_open(&b, "triton"));
	assert_true(is_open(&b, "callback:a:80"));
	tell(&b, "[]");
	assert_false(is_open(&b, "callback:a:80"));
	backends_done(&b);
}

TEST(backend_of_a_callback_is_its_host_and_port)
{
	static const struct { const char *url, *want; } cases[] = {
		{ "http://Example.ORG/a/b?c", "callback:example.org:80" },
		{ "https://example.org/", "callback:example.org:443" },
		{ "https://user:pass@example.org:8443/x", "callback:example.org:8443" },
		{ "http://[::1]:9000/", "callback:[::1]:9000" },
		{ "http://127.0.0.1:1/", "callback:127.0.0.1:1" },
		{ "nonsense", NULL }, { "", NULL }, { NULL, NULL },
	};
	char name[BACKEND_MAX], url[300];

	for (size_t i = 0; i < countof(cases); i++) {
		assert_int_equal(backend_of_callback(cases[i].url, name), cases[i].want != NULL);
		if (cases[i].want)
			assert_string_equal(name, cases[i].want);
	}
	snprintf(url, sizeof url, "http://h%0150d/", 0);
	assert_false(backend_of_callback(url, name));
}

static bool needs(const char *tool, const char *params, char name[BACKEND_MAX])
{
	scoped(json_decref_p) json_t *p = json_loads(params, 0, NULL);
	const struct task t = { .tool = tool_find(tool), .params = p };

	return backend_of_task(&t, "https://gallery:8443/app", name);
}

TEST(backend_of_a_task_follows_from_its_parameters)
{
	char name[BACKEND_MAX];

	assert_true(needs("callback", "{\"url\":\"http://h:8/\"}", name));
	assert_string_equal(name, "callback:h:8");
	assert_true(needs("detect", "{\"backend\":\"triton\"}", name));
	assert_string_equal(name, "triton");
	assert_true(needs("deliver", "{\"as\":\"text\"}", name));
	assert_string_equal(name, "callback:gallery:8443");
	assert_false(needs("detect", "{\"simulate\":true}", name));
	assert_false(needs("noop", "{}", name));
	assert_false(needs("no_such_tool", "{}", name));
}
