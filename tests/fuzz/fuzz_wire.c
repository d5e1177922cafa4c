/* What the other side of a runner's socket may send: messages, until it ends or breaks off. */
#include "fuzz.h"

#include "wire.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES_MAX 65536         /* fits the socket's buffer, so that nobody waits */

static void open_pair(int ends[2], const uint8_t *data, size_t size)
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	must(size == 0 || send(ends[0], data, size, 0) == (ssize_t)size);
	must(shutdown(ends[0], SHUT_WR) == 0);
}

static void recv_texts(const uint8_t *data, size_t size)
{
	scoped(buf_free) struct buf text = { 0 };
	size_t nfds = 0, got = 0;
	int ends[2], fds[WIRE_FDS], r;
	struct err err;

	open_pair(ends, data, size);
	while ((r = wire_recv(ends[1], &text, fds, &nfds, &err)) == WIRE_MESSAGE) {
		must(nfds == 0 && text.text && strnlen(text.text, text.len) <= text.len);
		must(text.len == 0 || memcmp(data + got + 4, text.text, text.len) == 0);
		got += 4 + text.len;
	}
	must((r == WIRE_END) == (got == size));
	must(r == WIRE_END || err.kind == ERR_RETRY);
	close(ends[0]);
	close(ends[1]);
}

static void recv_objects(const uint8_t *data, size_t size)
{
	int ends[2], r;
	struct err err;

	open_pair(ends, data, size);
	for (json_t *message = NULL; (r = wire_recv_json(ends[1], &message, NULL, NULL, &err)) == WIRE_MESSAGE; json_decref(message))
		must(json_is_object(message));
	must(r == WIRE_END || err.kind == ERR_RETRY);
	close(ends[0]);
	close(ends[1]);
}

static void round_trip(const uint8_t *data, size_t size)
{
	scoped(buf_free) struct buf text = { 0 };
	struct err err;
	int ends[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	must(wire_send(ends[0], (const char *)data, size, NULL, 0, &err) == 0);
	must(wire_recv(ends[1], &text, NULL, NULL, &err) == WIRE_MESSAGE);
	must(text.len == size && (size == 0 || memcmp(text.text, data, size) == 0));
	close(ends[0]);
	close(ends[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > BYTES_MAX)
		return 0;
	recv_texts(data, size);
	recv_objects(data, size);
	round_trip(data, size);
	return 0;
}
