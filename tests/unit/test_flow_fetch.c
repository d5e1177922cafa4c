#include "test.h"

#include "flow_stage.h"
#include "http_stub.h"
#include "reference.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PNG "\x89PNG\r\n\x1a\n and the rest of it"

static void put(const char *path, const char *text, size_t n)
{
	scoped(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
}

static int fetch(struct flow_stage *s, const char *source, const char *params)
{
	s->task.source = source;
	return flow_stage_run(s, params, "[]");
}

static void expect_reject(struct flow_stage *s, const char *source, const char *words)
{
	assert_int_equal(fetch(s, source, "{}"), -1);
	assert_int_equal(s->err.kind, ERR_REJECT);
	if (!strstr(s->err.msg, words))
		fail_msg("'%s' is not in '%s'", words, s->err.msg);
}

TEST(flow_fetch_copies_a_picture_under_an_allowed_root_when_asked_to)
{
	struct flow_stage s;
	const json_t *a;
	scoped(free_p) char *text = NULL;

	flow_stage_open(&s, "fetch");
	put(test_path("a b.jpg"), PNG, sizeof PNG - 1);
	assert_int_equal(fetch(&s, test_path("a b.jpg"), "{\"copy\":true}"), 0);
	put(test_path("a b.jpg"), "other", 5);
	a = json_array_get(s.result.artifacts, 0);
	assert_false(reference_is(a));
	assert_int_equal(json_integer_value(json_object_get(a, "bytes")), sizeof PNG - 1);
	assert_string_equal(json_string_value(json_object_get(a, "file")), "a b.jpg");
	text = flow_stage_file(&s, "picture");
	assert_string_equal(text, PNG);
	flow_stage_close(&s);
}

TEST(flow_fetch_copies_where_the_setting_says_so_and_the_step_does_not)
{
	struct flow_stage s;

	flow_stage_open(&s, "fetch");
	put(test_path("a.png"), PNG, sizeof PNG - 1);
	s.conf.fetch_copy = true;
	assert_int_equal(fetch(&s, test_path("a.png"), "{}"), 0);
	assert_false(reference_is(json_array_get(s.result.artifacts, 0)));
	assert_int_equal(fetch(&s, test_path("a.png"), "{\"copy\":false}"), 0);
	assert_true(reference_is(json_array_get(s.result.artifacts, 0)));
	flow_stage_close(&s);
}

static bool is_unused(void *arg, const char *digest)
{
	(void)arg;
	(void)digest;
	return true;
}

TEST(flow_fetch_refers_to_a_picture_under_an_allowed_root_and_stores_nothing)
{
	struct flow_stage s;
	const json_t *a;
	scoped(free_p) char *text = NULL;

	flow_stage_open(&s, "fetch");
	put(test_path("a b.jpg"), PNG, sizeof PNG - 1);
	assert_int_equal(fetch(&s, test_path("a b.jpg"), "{}"), 0);
	a = json_array_get(s.result.artifacts, 0);
	assert_string_equal(json_string_value(json_object_get(a, "media_type")), "image/png");
	assert_string_equal(json_string_value(json_object_get(a, "origin")), "png");
	assert_string_equal(json_string_value(json_object_get(a, "file")), "a b.jpg");
	assert_true(reference_is(a));
	assert_string_equal(json_string_value(json_object_get(a, "path")), test_path("a b.jpg"));
	assert_int_equal(json_integer_value(json_object_get(a, "bytes")), sizeof PNG - 1);
	text = flow_stage_file(&s, "picture");
	assert_string_equal(text, PNG);
	assert_int_equal(store_collect(&s.store, 0, is_unused, NULL), 0);
	flow_stage_close(&s);
}

TEST(flow_fetch_rejects_paths_it_may_not_read_and_says_why)
{
	struct flow_stage s;

	flow_stage_open(&s, "fetch");
	put(test_path("text.jpg"), "hello", 5);
	put(test_path("empty.jpg"), "", 0);
	assert_int_equal(symlink("/etc/passwd", test_path("link.jpg")), 0);
	assert_int_equal(mkfifo(test_path("pipe.jpg"), 0600), 0);
	expect_reject(&s, "/etc/passwd", "PIXELFLEET_ALLOWED_ROOTS");
	expect_reject(&s, test_path("../x"), "'..'");
	expect_reject(&s, "relative.jpg", "not an absolute path");
	expect_reject(&s, test_path("none.jpg"), "there is no file");
	expect_reject(&s, test_path("link.jpg"), "symbolic link");
	expect_reject(&s, test_path("pipe.jpg"), "not a regular file");
	expect_reject(&s, test_dir(), "not a regular file");
	expect_reject(&s, test_path("text.jpg"), "starts with 'hello'");
	expect_reject(&s, test_path("empty.jpg"), "empty");
	expect_reject(&s, "s3://bucket/key", "http://, https://");
	expect_reject(&s, "file:///etc/passwd", "http://, https://");
	expect_reject(&s, NULL, "names no picture");
	flow_stage_close(&s);
}

TEST(flow_fetch_refuses_what_is_too_large)
{
	struct flow_stage s;

	flow_stage_open(&s, "fetch");
	put(test_path("a.png"), PNG, sizeof PNG - 1);
	assert_int_equal(fetch(&s, test_path("a.png"), "{\"max_bytes\":10}"), -1);
	assert_int_equal(s.err.kind, ERR_REJECT);
	assert_non_null(strstr(s.err.msg, "larger than 10 bytes"));
	s.conf.max_file_size = 5;
	expect_reject(&s, test_path("a.png"), "larger than 5 bytes");
	flow_stage_close(&s);
}

static int site(void *arg, const char *request, struct buf *head, struct buf *body)
{
	(void)arg;
	if (strncmp(request, "GET /a.png", 10) == 0)
		return buf_add(body, PNG, sizeof PNG - 1), 200;
	if (strncmp(request, "GET /moved", 10) == 0)
		return buf_puts(head, "Location: /a.png\r\n"), 302;
	if (strncmp(request, "GET /round", 10) == 0)
		return buf_puts(head, "Location: /round\r\n"), 302;
	return strncmp(request, "GET /broken", 11) == 0 ? 500 : 404;
}

TEST(flow_fetch_gets_urls_and_judges_their_answers)
{
	static const struct { const char *path; int rc; enum err_kind kind; } cases[] = {
		{ "/a.png?size=1#x", 0, 0 }, { "/moved", 0, 0 }, { "/none", -1, ERR_REJECT }, { "/broken", -1, ERR_RETRY },
		{ "/round", -1, ERR_REJECT },
	};
	struct http_stub stub;
	struct flow_stage s;

	http_stub_open(&stub, site, NULL);
	flow_stage_open(&s, "fetch");
	for (size_t i = 0; i < countof(cases); i++) {
		scoped(free_p) char *url = xasprintf("%s%s", stub.url, cases[i].path);

		assert_int_equal(fetch(&s, url, "{}"), cases[i].rc);
		if (cases[i].rc < 0)
			assert_int_equal(s.err.kind, cases[i].kind);
	}
	flow_stage_close(&s);
	http_stub_close(&stub);
}

TEST(flow_fetch_names_the_file_as_the_url_does)
{
	struct http_stub stub;
	struct flow_stage s;
	scoped(free_p) char *url = NULL;

	http_stub_open(&stub, site, NULL);
	flow_stage_open(&s, "fetch");
	url = xasprintf("%s/a.png?size=1/2#x", stub.url);
	assert_int_equal(fetch(&s, url, "{}"), 0);
	assert_string_equal(json_string_value(json_object_get(json_array_get(s.result.artifacts, 0), "file")), "a.png");
	flow_stage_close(&s);
	http_stub_close(&stub);
}

TEST(flow_fetch_does_not_reach_private_addresses_unless_allowed)
{
	struct http_stub stub;
	struct flow_stage s;
	scoped(free_p) char *url = NULL;

	http_stub_open(&stub, site, NULL);
	flow_stage_open(&s, "fetch");
	s.conf.allow_private_urls = false;
	url = xasprintf("%s/a.png", stub.url);
	expect_reject(&s, url, "not a public address");
	assert_int_equal(http_stub_requests(&stub), 0);
	flow_stage_close(&s);
	http_stub_close(&stub);
}

static void set(char **setting, const char *value)
{
	free(*setting);
	*setting = xstrdup(value);
}

TEST(flow_fetch_finds_uploads_in_the_gallerys_directory_which_is_open_for_nothing_else)
{
	struct flow_stage s;

	flow_stage_open(&s, "fetch");
	set(&s.conf.allowed_roots, "/nowhere");
	assert_int_equal(mkdir(test_path("uploads"), 0700), 0);
	put(test_path("uploads/a.png"), PNG, sizeof PNG - 1);
	put(test_path("text.png"), "hello", 5);
	expect_reject(&s, "upload:uploads/a.png", "PROJECT_ROOT or UPLOAD_BASE_DIR");
	set(&s.conf.upload_base_dir, test_dir());
	assert_int_equal(fetch(&s, "upload:./uploads/a.png", "{}"), 0);
	assert_string_equal(json_string_value(json_object_get(json_array_get(s.result.artifacts, 0), "file")), "a.png");
	assert_int_equal(fetch(&s, "upload:uploads//a.png", "{}"), 0);
	{
		scoped(free_p) char *whole = xasprintf("upload:%s", test_path("uploads/a.png"));

		assert_int_equal(fetch(&s, whole, "{}"), 0);
	}
	expect_reject(&s, "upload:text.png", "text.png'");
	expect_reject(&s, "upload:gone.png", "there is no file");
	expect_reject(&s, "upload:uploads/../uploads/a.png", "'..'");
	expect_reject(&s, "upload:/etc/hostname", "not under an allowed directory");
	expect_reject(&s, "upload:http://h/a.png", "there is no file");
	expect_reject(&s, "upload:", "not a regular file");
	expect_reject(&s, test_path("uploads/a.png"), "not under an allowed directory");
	set(&s.conf.project_root, test_path("uploads"));
	assert_int_equal(fetch(&s, "upload:a.png", "{}"), 0);
	assert_string_equal(json_string_value(json_object_get(json_array_get(s.result.artifacts, 0), "file")), "a.png");
	flow_stage_close(&s);
}
