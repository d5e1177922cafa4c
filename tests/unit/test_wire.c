/* test_wire.c - messages and descriptors between worker and runner arrive as they were sent, or not at all. */
#include "test.h"
#include "wire.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static void pair(int s[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
}

static int file_with(const char *text)
{
	int fd = memfd_create("wire", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

TEST(wire_carries_text_and_descriptors)
{
	scoped(buf_free) struct buf got = { 0 };
	struct err err;
	int s[2], sent[2] = { file_with("one"), file_with("two") }, fds[WIRE_FDS];
	size_t n = 0;
	char text[4] = "";

	pair(s);
	assert_int_equal(wire_send(s[0], "{\"a\":1}", 7, sent, 2, &err), 0);
	assert_int_equal(wire_send(s[0], "{}", 2, NULL, 0, &err), 0);
	assert_int_equal(wire_recv(s[1], &got, fds, &n, &err), WIRE_MESSAGE);
	assert_string_equal(got.text, "{\"a\":1}");
	assert_int_equal(n, 2);
	assert_int_equal(pread(fds[1], text, 3, 0), 3);
	assert_string_equal(text, "two");
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(wire_recv(s[1], &got, fds, &n, &err), WIRE_MESSAGE);
	assert_string_equal(got.text, "{}");
	assert_int_equal(n, 0);
	close(sent[0]);
	close(sent[1]);
	close(s[0]);
	assert_int_equal(wire_recv(s[1], &got, fds, &n, &err), WIRE_END);
	close(s[1]);
}

TEST(wire_closes_descriptors_that_nobody_wants)
{
	scoped(buf_free) struct buf got = { 0 };
	struct err err;
	int s[2], pipes[2];
	char c;

	pair(s);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(wire_send(s[0], "{}", 2, &pipes[1], 1, &err), 0);
	close(pipes[1]);
	assert_int_equal(wire_recv(s[1], &got, NULL, NULL, &err), WIRE_MESSAGE);
	assert_int_equal(read(pipes[0], &c, 1), 0);     /* the last writer is gone */
	close(pipes[0]);
	close(s[0]);
	close(s[1]);
}

static void *send_large(void *arg)
{
	size_t n = 5 << 20;
	char *text = xcalloc(n, 1);
	struct err err;

	memset(text, 'x', n);
	must(wire_send(*(int *)arg, text, n, NULL, 0, &err) == 0);
	free(text);
	return NULL;
}

TEST(wire_carries_more_than_a_socket_buffer_holds)
{
	scoped(buf_free) struct buf got = { 0 };
	struct err err;
	pthread_t sender;
	int s[2];

	pair(s);
	assert_int_equal(pthread_create(&sender, NULL, send_large, &s[0]), 0);
	assert_int_equal(wire_recv(s[1], &got, NULL, NULL, &err), WIRE_MESSAGE);
	pthread_join(sender, NULL);
	assert_int_equal(got.len, 5 << 20);
	assert_int_equal(strspn(got.text, "x"), got.len);
	close(s[0]);
	close(s[1]);
}

TEST(wire_refuses_to_send_too_much)
{
	struct err err;
	int s[2], fds[WIRE_FDS + 1] = { 0 };

	pair(s);
	assert_int_equal(wire_send(s[0], "", (size_t)WIRE_MAX + 1, NULL, 0, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_int_equal(wire_send(s[0], "{}", 2, fds, WIRE_FDS + 1, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	close(s[0]);
	close(s[1]);
}

TEST(wire_refuses_a_length_over_the_limit_before_it_reads_on)
{
	scoped(buf_free) struct buf got = { 0 };
	struct err err;
	int s[2];

	pair(s);
	assert_int_equal(write(s[0], "\xff\xff\xff\xff", 4), 4);
	assert_int_equal(wire_recv(s[1], &got, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "4294967295"));
	close(s[0]);
	close(s[1]);
}

TEST(wire_tells_a_broken_message_from_an_end)
{
	scoped(buf_free) struct buf got = { 0 };
	struct err err;
	int s[2];

	pair(s);
	assert_int_equal(write(s[0], "\x05\0\0\0{}", 6), 6);
	close(s[0]);
	assert_int_equal(wire_recv(s[1], &got, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "inside a message"));
	close(s[1]);
	pair(s);
	assert_int_equal(write(s[0], "\x05", 1), 1);
	close(s[0]);
	assert_int_equal(wire_recv(s[1], &got, NULL, NULL, &err), -1);
	assert_int_equal(wire_send(s[1], "{}", 2, NULL, 0, &err), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	close(s[1]);
}

TEST(wire_gives_up_when_the_socket_has_a_time_limit)
{
	scoped(buf_free) struct buf got = { 0 };
	struct timeval soon = { 0, 20000 };
	struct err err;
	int s[2];

	pair(s);
	setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
	assert_int_equal(wire_recv(s[1], &got, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "timed out"));
	close(s[0]);
	close(s[1]);
}

TEST(wire_json_takes_objects_only)
{
	json_t *sent = json_pack("{s:[i,i]}", "list", 1, 2), *got = NULL;
	struct err err;
	int s[2];

	pair(s);
	assert_int_equal(wire_send_json(s[0], sent, NULL, 0, &err), 0);
	assert_int_equal(wire_recv_json(s[1], &got, NULL, NULL, &err), WIRE_MESSAGE);
	assert_true(json_equal(sent, got));
	json_decref(sent);
	json_decref(got);
	assert_int_equal(wire_send(s[0], "[1]", 3, NULL, 0, &err), 0);
	assert_int_equal(wire_recv_json(s[1], &got, NULL, NULL, &err), -1);
	assert_int_equal(wire_send(s[0], "{\"a\":", 5, NULL, 0, &err), 0);
	assert_int_equal(wire_recv_json(s[1], &got, NULL, NULL, &err), -1);
	assert_non_null(strstr(err.msg, "not a JSON object"));
	close(s[0]);
	assert_int_equal(wire_recv_json(s[1], &got, NULL, NULL, &err), WIRE_END);
	close(s[1]);
}
