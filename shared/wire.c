#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HEADER 4

union fd_room {                 /* aligned as the kernel wants it */
	char bytes[CMSG_SPACE(WIRE_FDS * sizeof(int))];
	struct cmsghdr align;
};

int wire_socket(const char *arg)
{
	char *end;
	long sock = strtol(arg, &end, 10);
	int type = 0;
	socklen_t n = sizeof type;

	if (*end || end == arg || sock < 0 || sock > 1 << 20 || getsockopt((int)sock, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return -1;
	return (int)sock;
}

static int fail_io(const char *what, struct err *err)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return err_set(err, ERR_RETRY, "%s: timed out", what);
	return err_set(err, ERR_RETRY, "%s: %s", what, strerror(errno));
}

static void attach_fds(struct msghdr *msg, union fd_room *room, const int *fds, size_t nfds)
{
	struct cmsghdr *c;

	memset(room, 0, sizeof *room);
	msg->msg_control = room->bytes;
	msg->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	c = CMSG_FIRSTHDR(msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
}

/* Take n sent bytes off the front of the two pieces. */
static void advance(struct iovec iov[2], size_t n)
{
	for (int i = 0; i < 2; i++) {
		size_t k = min_of(n, iov[i].iov_len);

		iov[i].iov_base = (char *)iov[i].iov_base + k;
		iov[i].iov_len -= k;
		n -= k;
	}
}

int wire_send(int sock, const char *text, size_t len, const int *fds, size_t nfds, struct err *err)
{
	unsigned char head[HEADER] = { (unsigned char)len, (unsigned char)(len >> 8),
		(unsigned char)(len >> 16), (unsigned char)(len >> 24) };
	struct iovec iov[2] = { { head, HEADER }, { (void *)(uintptr_t)text, len } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	union fd_room room;

	if (len > WIRE_MAX)
		return err_set(err, ERR_REJECT, "message of %zu bytes between worker and runner, at most %u are allowed",
			len, WIRE_MAX);
	if (nfds > WIRE_FDS)
		return err_set(err, ERR_REJECT, "%zu files for one runner message, at most %d are allowed", nfds, WIRE_FDS);
	if (nfds)
		attach_fds(&msg, &room, fds, nfds);
	while (iov[0].iov_len + iov[1].iov_len > 0) {
		ssize_t n = sendmsg(sock, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_io("write to the other side of the runner's socket", err);
		advance(iov, (size_t)n);
		msg.msg_control = NULL;         /* they went with the first byte */
		msg.msg_controllen = 0;
	}
	return 0;
}

/* The descriptors of one recvmsg go to fds, or are closed when there is no room for them. */
static void collect_fds(struct msghdr *msg, int *fds, size_t *n)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
			if (fds && *n < WIRE_FDS)
				fds[(*n)++] = fd;
			else
				close(fd);
		}
	}
}

static int wait_readable(const struct wire_wait *wait, struct err *err)
{
	return wait ? wait->until_readable(wait->arg, err) : 0;
}

/* 0: the header is there; WIRE_END: the peer closed before its first byte. */
static int recv_header(int sock, const struct wire_wait *wait, unsigned char head[HEADER], int *fds, size_t *nfds, struct err *err)
{
	for (size_t got = 0; got < HEADER;) {
		union fd_room room;
		struct iovec iov = { head + got, HEADER - got };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = room.bytes, .msg_controllen = sizeof room.bytes };
		ssize_t n;

		if (wait_readable(wait, err) < 0)
			return -1;
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == EINTR)
			continue;
		if (got == 0 && (n == 0 || (n < 0 && errno == ECONNRESET)))
			return WIRE_END;
		if (n < 0)
			return fail_io("read from the runner's socket", err);
		if (n == 0)
			return err_set(err, ERR_RETRY, "the runner's socket ended inside a message");
		collect_fds(&msg, fds, nfds);
		if (msg.msg_flags & MSG_CTRUNC)
			return err_set(err, ERR_RETRY, "files of a runner message were lost: too many, or no descriptors left");
		got += (size_t)n;
	}
	return WIRE_MESSAGE;
}

static int recv_text(int sock, const struct wire_wait *wait, struct buf *ret, size_t len, struct err *err)
{
	char piece[16384];

	while (len > 0) {
		ssize_t n;

		if (wait_readable(wait, err) < 0)
			return -1;
		n = recv(sock, piece, min_of(len, sizeof piece), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_io("read from the runner's socket", err);
		if (n == 0)
			return err_set(err, ERR_RETRY, "the runner's socket ended inside a message");
		buf_add(ret, piece, (size_t)n);
		len -= (size_t)n;
	}
	return 0;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static int receive(int sock, const struct wire_wait *wait, struct buf *ret, int *fds, size_t *nfds, struct err *err)
{
	unsigned char head[HEADER];
	size_t n = 0, len;
	int r = recv_header(sock, wait, head, fds, &n, err);

	if (r == WIRE_MESSAGE) {
		len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
		buf_clear(ret);
		buf_add(ret, "", 0);
		if (len > WIRE_MAX)
			r = err_set(err, ERR_RETRY, "message of %zu bytes between worker and runner, at most %u are allowed",
				len, WIRE_MAX);
		else
			r = recv_text(sock, wait, ret, len, err);
	}
	if (r != WIRE_MESSAGE) {
		close_all(fds, n);
		return r;
	}
	if (nfds)
		*nfds = n;
	return r;
}

int wire_recv(int sock, struct buf *ret, int *fds, size_t *nfds, struct err *err)
{
	return receive(sock, NULL, ret, fds, nfds, err);
}

int wire_send_json(int sock, const json_t *message, const int *fds, size_t nfds, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };

	buf_json(&text, message);
	return wire_send(sock, text.text, text.len, fds, nfds, err);
}

int wire_recv_json_wait(int sock, const struct wire_wait *wait, json_t **ret, int *fds, size_t *nfds, struct err *err)
{
	scoped(buf_free) struct buf text = { 0 };
	json_error_t why;
	json_t *message;
	size_t n = 0;
	int r = receive(sock, wait, &text, fds, &n, err);

	if (r != WIRE_MESSAGE)
		return r;
	message = json_loadb(text.text, text.len, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(message)) {
		err_set(err, ERR_RETRY, "a message between worker and runner is not a JSON object: %s",
			message ? "other JSON" : why.text);
		json_decref(message);
		close_all(fds, n);
		return -1;
	}
	*ret = message;
	if (nfds)
		*nfds = n;
	return WIRE_MESSAGE;
}

int wire_recv_json(int sock, json_t **ret, int *fds, size_t *nfds, struct err *err)
{
	return wire_recv_json_wait(sock, NULL, ret, fds, nfds, err);
}
