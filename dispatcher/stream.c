#include "stream.h"

#include "buf.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

#define BLOCK_BYTES 4096

struct stream {
	pthread_mutex_t lock;
	struct MHD_Connection *conn;
	struct buf text;
	size_t sent;            /* of text */
	bool suspended, ended, gone;
	int refs;
};

/* Unlocks. */
static void unref(struct stream *s)
{
	bool last = --s->refs == 0;

	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&s->lock);
	buf_free(&s->text);
	free(s);
}

/* On a server thread: what to send next. */
static ssize_t next(void *arg, uint64_t pos, char *to, size_t max)
{
	struct stream *s = arg;
	ssize_t rc;
	size_t n;

	(void)pos;
	pthread_mutex_lock(&s->lock);
	n = min_of(s->text.len - s->sent, max);
	rc = n || !s->ended ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
	if (n) {
		memcpy(to, s->text.text + s->sent, n);
		s->sent += n;
		if (s->sent == s->text.len) {
			buf_free(&s->text);
			s->sent = 0;
		}
	} else if (!s->ended) {
		MHD_suspend_connection(s->conn);
		s->suspended = true;
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static void gone(void *arg)
{
	struct stream *s = arg;

	pthread_mutex_lock(&s->lock);
	s->gone = true;
	s->conn = NULL;
	buf_free(&s->text);
	s->sent = 0;
	unref(s);
}

struct stream *stream_new(struct MHD_Connection *conn, struct MHD_Response **ret)
{
	struct stream *s = xcalloc(1, sizeof *s);

	must(pthread_mutex_init(&s->lock, NULL) == 0);
	s->conn = conn;
	s->refs = 2;
	*ret = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, next, s, gone);
	return s;
}

static void wake(struct stream *s)
{
	if (s->suspended)
		MHD_resume_connection(s->conn);
	s->suspended = false;
}

/* What was sent is given back before the text grows. */
static void compact(struct stream *s)
{
	if (s->sent < BLOCK_BYTES || s->sent < s->text.len / 2)
		return;
	s->text.len -= s->sent;
	memmove(s->text.text, s->text.text + s->sent, s->text.len + 1);
	s->sent = 0;
}

static ptrdiff_t put(struct stream *s, const void *bytes, size_t n)
{
	ptrdiff_t pending = -1;

	if (!s->gone) {
		compact(s);
		buf_add(&s->text, bytes, n);
		pending = (ptrdiff_t)(s->text.len - s->sent);
		wake(s);
	}
	pthread_mutex_unlock(&s->lock);
	return pending;
}

ptrdiff_t stream_write(struct stream *s, const void *bytes, size_t n)
{
	pthread_mutex_lock(&s->lock);
	return put(s, bytes, n);
}

/* An event ends in an empty line; only whole ones may be dropped. */
ptrdiff_t stream_rewrite(struct stream *s, const void *bytes, size_t n)
{
	pthread_mutex_lock(&s->lock);
	if (!s->gone && s->text.len > s->sent) {
		char *from = s->text.text + s->sent, *end = s->sent ? strstr(from, "\n\n") : from;

		if (end && s->sent)
			end += 2;
		if (end) {
			s->text.len = (size_t)(end - s->text.text);
			s->text.text[s->text.len] = '\0';
		}
	}
	return put(s, bytes, n);
}

ptrdiff_t stream_pending(struct stream *s)
{
	ptrdiff_t n;

	pthread_mutex_lock(&s->lock);
	n = s->gone ? -1 : (ptrdiff_t)(s->text.len - s->sent);
	pthread_mutex_unlock(&s->lock);
	return n;
}

void stream_end(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	if (!s->gone)
		wake(s);
	unref(s);
}
