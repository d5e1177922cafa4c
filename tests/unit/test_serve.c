/* test_serve.c - the runner at the end of a socket: what a worker may rely on. */
#include "clock.h"
#include "decoded.h"
#include "picture.h"
#include "serve.h"
#include "studio.h"
#include "test.h"
#include "wire.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct runner {
	pthread_t thread;
	int mine, its, result;
	struct err err;
};

static void *serve_it(void *arg)
{
	struct runner *r = arg;

	r->result = serve(r->its, 0, &r->err);
	close(r->its);
	return NULL;
}

static void expect(int sock, const char *want)
{
	json_t *got = NULL, *pattern = json_loads(want, 0, NULL), *value;
	const char *key;
	struct err err;

	assert_int_equal(wire_recv_json(sock, &got, NULL, NULL, &err), WIRE_MESSAGE);
	json_object_foreach(pattern, key, value)
		if (json_is_null(value) ? json_object_get(got, key) != NULL : !json_equal(json_object_get(got, key), value))
			fail_msg("want %s, got %s", want, json_dumps(got, 0));
	json_decref(got);
	json_decref(pattern);
}

static void start(struct runner *r)
{
	int s[2];

	image_unref(studio_plain(1, 1, 0, 0, 0));       /* libvips runs */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	r->mine = s[0];
	r->its = s[1];
	assert_int_equal(pthread_create(&r->thread, NULL, serve_it, r), 0);
	expect(r->mine, "{\"ready\":true,\"version\":\"" VERSION "\"}");
}

static void say(int sock, const char *text, const int *fds, size_t n)
{
	struct err err;

	assert_int_equal(wire_send(sock, text, strlen(text), fds, n, &err), 0);
}

static void finish(struct runner *r, int result)
{
	close(r->mine);
	pthread_join(r->thread, NULL);
	assert_int_equal(r->result, result);
}

#define RUN(tool, params) "{\"do\":\"run\",\"tool\":\"" tool "\",\"job\":\"j\",\"step\":\"s\",\"item\":0,\"attempt\":1," \
	"\"final\":true,\"params\":" params ",\"max_pixels\":1000000,\"inputs\":[{\"step\":\"d\",\"item\":0,\"data\":{\"items\":[]}}," \
	"{\"step\":\"src\",\"item\":0,\"fd\":0,\"name\":\"picture\",\"media_type\":\"image/png\",\"origin\":\"png\"}]}"

/* It asks for memory before it decodes. */
static void admit(int sock)
{
	expect(sock, "{\"ask\":\"memory\",\"what\":\"60 x 40 x 1 page x 3 bands = 7200 bytes\"}");
	say(sock, "{\"memory\":true}", NULL, 0);
}

TEST(serve_runs_one_task_after_another)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png");

	start(&r);
	say(r.mine, "{\"do\":\"setup\",\"memory_mb\":0}", NULL, 0);
	expect(r.mine, "{\"setup\":true,\"landlock\":0,\"seccomp\":false}");
	for (int i = 0; i < 3; i++) {
		int out = memfd_create("out", MFD_CLOEXEC);

		say(r.mine, RUN("resize", "{\"width\":30}"), &fd, 1);
		admit(r.mine);
		expect(r.mine, "{\"ask\":\"output\"}");
		say(r.mine, "{\"output\":true}", &out, 1);
		expect(r.mine, "{\"done_output\":true,\"index\":0,\"name\":\"picture\",\"media_type\":\"image/png\",\"origin\":\"png\","
			"\"width\":30,\"height\":20}");
		expect(r.mine, "{\"end\":true,\"ok\":true}");
		assert_true(lseek(out, 0, SEEK_END) > 100);
		close(out);
	}
	close(fd);
	finish(&r, 0);
}

#define AHEAD(params, more) "{\"do\":\"run\",\"tool\":\"resize\",\"job\":\"j\",\"step\":\"s\",\"item\":0,\"attempt\":1,\"final\":true," \
	"\"params\":" params ",\"max_pixels\":1000000,\"inputs\":[{\"step\":\"src\",\"item\":0,\"fd\":0,\"name\":\"picture\"," \
	"\"media_type\":\"image/png\",\"origin\":\"png\"}]," more ",\"outputs\":1}"

TEST(serve_asks_for_nothing_that_came_with_the_task)
{
	struct runner r = { 0 };
	int fds[] = { studio_file(studio_photo(60, 40), "a.png"), memfd_create("out", MFD_CLOEXEC) };

	start(&r);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ftruncate(fds[1], 0), 0);
		say(r.mine, AHEAD("{\"width\":30}", "\"memory\":100000000"), fds, 2);
		expect(r.mine, "{\"done_output\":true,\"index\":0,\"width\":30,\"height\":20}");
		expect(r.mine, "{\"end\":true,\"ok\":true}");
		assert_true(lseek(fds[1], 0, SEEK_END) > 100);
		lseek(fds[1], 0, SEEK_SET);
	}
	close(fds[1]);
	close(fds[0]);
	finish(&r, 0);
}

TEST(serve_asks_for_memory_when_what_came_with_the_task_is_not_enough)
{
	struct runner r = { 0 };
	int fds[] = { studio_file(studio_photo(60, 40), "a.png"), memfd_create("out", MFD_CLOEXEC) };

	start(&r);
	say(r.mine, AHEAD("{\"width\":30}", "\"memory\":1000"), fds, 2);
	admit(r.mine);
	expect(r.mine, "{\"done_output\":true,\"index\":0}");
	expect(r.mine, "{\"end\":true,\"ok\":true}");
	close(fds[1]);
	close(fds[0]);
	finish(&r, 0);
}

/* The worker may have taken back what it gave, for as long as the model took. */
TEST(serve_asks_for_memory_again_after_any_other_question)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png");

	start(&r);
	say(r.mine, "{\"do\":\"run\",\"tool\":\"classify\",\"job\":\"j\",\"step\":\"s\",\"item\":0,\"attempt\":1,\"final\":true,"
		"\"params\":{\"model\":\"m\"},\"max_pixels\":1000000,\"memory\":100000000,\"inputs\":[{\"step\":\"src\",\"item\":0,\"fd\":0,"
		"\"name\":\"picture\",\"media_type\":\"image/png\",\"origin\":\"png\"}]}", &fd, 1);
	expect(r.mine, "{\"ask\":\"model\",\"model\":\"m\"}");
	say(r.mine, "{\"model\":{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,3,28,28]}],"
		"\"outputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[-1,4]}]},\"card\":{\"labels\":[\"a\",\"b\",\"c\",\"d\"]}}", NULL, 0);
	expect(r.mine, "{\"ask\":\"memory\"}");
	say(r.mine, "{\"memory\":false,\"error\":{\"kind\":\"reject\",\"message\":\"no\"}}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":false}");
	close(fd);
	finish(&r, 0);
}

TEST(serve_closes_an_output_that_came_and_was_not_used)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png"), out[2];
	char byte;

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	start(&r);
	say(r.mine, AHEAD("{\"width\":30}", "\"memory\":-1"), ((int[]){ fd, out[1] }), 2);
	expect(r.mine, "{\"ask\":\"memory\"}");
	say(r.mine, "{\"memory\":false,\"error\":{\"kind\":\"reject\",\"message\":\"no\"}}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":false}");
	close(out[1]);
	assert_int_equal(read(out[0], &byte, 1), 0);
	close(out[0]);
	close(fd);
	finish(&r, 0);
}

TEST(serve_counts_the_outputs_of_a_task)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png");

	start(&r);
	say(r.mine, RUN("thumbnail", "{\"sizes\":[{\"width\":30},{\"width\":20}]}"), &fd, 1);
	admit(r.mine);
	for (int i = 0; i < 2; i++) {
		int out = memfd_create("out", MFD_CLOEXEC);

		expect(r.mine, "{\"ask\":\"output\"}");
		say(r.mine, "{\"output\":true}", &out, 1);
		expect(r.mine, i ? "{\"done_output\":true,\"index\":1,\"name\":\"20x20\"}" : "{\"done_output\":true,\"index\":0,\"name\":\"30x30\"}");
		close(out);
	}
	expect(r.mine, "{\"end\":true,\"ok\":true}");
	close(fd);
	finish(&r, 0);
}

TEST(serve_gives_data_with_the_end)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png");
	json_t *end = NULL;
	struct err err;

	start(&r);
	say(r.mine, RUN("metadata", "{}"), &fd, 1);
	assert_int_equal(wire_recv_json(r.mine, &end, NULL, NULL, &err), WIRE_MESSAGE);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(end, "data"), "width")), 60);
	json_decref(end);
	close(fd);
	finish(&r, 0);
}

TEST(serve_reports_what_failed_and_goes_on)
{
	struct runner r = { 0 };
	int bad = studio_bytes("no picture", 10), good = studio_file(studio_photo(60, 40), "a.png");

	start(&r);
	say(r.mine, RUN("metadata", "{}"), &bad, 1);
	expect(r.mine, "{\"end\":true,\"ok\":false,\"error\":{\"kind\":\"reject\",\"message\":"
		"\"cannot decode: not a picture of a known format (JPEG, PNG, WebP, GIF, TIFF, HEIF)\"}}");
	say(r.mine, RUN("resize", "{\"width\":30}"), &good, 1);
	admit(r.mine);
	expect(r.mine, "{\"ask\":\"output\"}");
	say(r.mine, "{\"output\":false,\"error\":{\"kind\":\"retry\",\"message\":\"disk full\"}}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":false,\"error\":{\"kind\":\"retry\",\"message\":\"disk full\"}}");
	say(r.mine, RUN("phash", "{}"), NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":false,\"error\":{\"kind\":\"retry\",\"message\":"
		"\"input 1 names a file that did not come along (0 did)\"}}");
	say(r.mine, RUN("metadata", "{}"), &good, 1);
	expect(r.mine, "{\"end\":true,\"ok\":true}");
	close(bad);
	close(good);
	finish(&r, 0);
}

TEST(serve_ends_when_the_worker_makes_no_sense)
{
	struct runner r = { 0 };

	start(&r);
	say(r.mine, "{\"do\":\"dance\"}", NULL, 0);
	finish(&r, -1);
	assert_non_null(strstr(r.err.msg, "dance"));
}

TEST(serve_decodes_nothing_that_it_gets_no_memory_for)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png");

	start(&r);
	say(r.mine, RUN("rotate", "{\"angle\":90}"), &fd, 1);
	expect(r.mine, "{\"ask\":\"memory\"}");
	say(r.mine, "{\"memory\":false,\"error\":{\"kind\":\"reject\",\"message\":\"too large\"}}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":false,\"error\":{\"kind\":\"reject\",\"message\":\"too large\"}}");
	close(fd);
	finish(&r, 0);
}

#define SHARE(digest) "{\"do\":\"run\",\"tool\":\"phash\",\"job\":\"j\",\"step\":\"s\",\"item\":0,\"attempt\":1,\"final\":true," \
	"\"params\":{},\"shared\":{\"steps\":9,\"fit\":[{\"width\":32,\"height\":32,\"cover\":true}]},\"max_pixels\":1000000," \
	"\"inputs\":[{\"step\":\"src\",\"item\":0,\"fd\":0,\"digest\":\"" digest "\",\"name\":\"picture\",\"media_type\":\"image/png\"}]}"

/* What it has besides is said, and given up when the worker has no room for it. */
TEST(serve_keeps_pixels_while_there_is_memory_for_them)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png");

	start(&r);
	say(r.mine, SHARE("a"), &fd, 1);
	expect(r.mine, "{\"ask\":\"memory\",\"kept\":null}");
	say(r.mine, "{\"memory\":true}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":true}");
	say(r.mine, SHARE("b"), &fd, 1);
	expect(r.mine, "{\"ask\":\"memory\",\"kept\":7200}");
	say(r.mine, "{\"memory\":true}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":true}");
	say(r.mine, SHARE("a"), &fd, 1);
	expect(r.mine, "{\"ask\":\"memory\",\"kept\":7200}");
	say(r.mine, "{\"memory\":true,\"keep\":false}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":true}");
	assert_false(decoded_is_any());
	say(r.mine, SHARE("b"), &fd, 1);
	expect(r.mine, "{\"ask\":\"memory\",\"kept\":null}");
	say(r.mine, "{\"memory\":true}", NULL, 0);
	expect(r.mine, "{\"end\":true,\"ok\":true}");
	assert_true(decoded_is_any());
	while (decoded_is_any())                /* they go by themselves when nothing comes */
		clock_sleep_ms(10);
	close(fd);
	finish(&r, 0);
}

TEST(serve_ends_when_the_worker_hangs_up_in_a_task)
{
	struct runner r = { 0 };
	int fd = studio_file(studio_photo(60, 40), "a.png");

	start(&r);
	say(r.mine, RUN("resize", "{\"width\":30}"), &fd, 1);
	admit(r.mine);
	expect(r.mine, "{\"ask\":\"output\"}");
	close(fd);
	finish(&r, -1);
}
