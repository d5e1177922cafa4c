#include "settle.h"

#include "clock.h"
#include "fault.h"
#include "log.h"
#include "sync.h"
#include "utf8.h"
#include "worker.h"

#include <string.h>

#define PUTBACK_MAX 256         /* entries in one script call */

static int send_acks(struct reporter *r, struct err *err)
{
	for (const struct held *h = r->acks.first; h; h = h->after) {
		const char *argv[] = { "LREM", r->w->running_key, "1", h->raw };
		const size_t lens[] = { 4, strlen(argv[1]), 1, h->raw_len };

		if (redis_append_argv(&r->redis, 4, argv, lens, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < r->acks.n; i++)
		if (redis_reply(&r->redis, NULL, err) < 0)
			return redis_close(&r->redis), -1;      /* whatever it was: the rest of the answers is not awaited */
	return 0;
}

static int acknowledge(struct reporter *r, size_t *n, struct err *err)
{
	if (!r->acks.n)
		return 0;
	if (fault("worker.ack")) {
		redis_close(&r->redis);
		return err_set(err, ERR_RETRY, "fault: no Redis before an acknowledgement");
	}
	if (send_acks(r, err) < 0)
		return -1;
	*n += r->acks.n;
	held_drop(&r->w->held, &r->acks);
	return 0;
}

static int putback_some(struct reporter *r, struct line *some, struct err *err)
{
	const char *argv[2 + 2 * PUTBACK_MAX] = { r->w->running_key, "pixelfleet:queue:" };
	size_t lens[countof(argv)] = { strlen(argv[0]), strlen(argv[1]) };
	int n = 2;

	for (const struct held *h = some->first; h; h = h->after) {
		const char *queue = h->task ? h->task->queue : h->lane->queue;

		argv[n] = queue, lens[n++] = strlen(queue);
		argv[n] = h->raw, lens[n++] = h->raw_len;
	}
	return redis_script(&r->redis, "putback", 1, n, argv, lens, NULL, err);
}

static int put_back(struct reporter *r, size_t *n, struct err *err)
{
	while (r->putbacks.n) {
		struct line some = { 0 };
		int rc;

		while (some.n < PUTBACK_MAX && r->putbacks.n)
			line_push(&some, line_pop(&r->putbacks));
		rc = putback_some(r, &some, err);
		if (rc < 0) {
			line_append(&some, &r->putbacks);
			r->putbacks = some;
			return -1;
		}
		log_info("task.putback", "tasks=%zu", some.n);
		*n += some.n;
		held_drop(&r->w->held, &some);
	}
	return 0;
}

/* What came may be anything, even no UTF-8; the letter is JSON all the same. */
static void write_letter(const struct held *h, struct buf *letter)
{
	char at[CLOCK_TEXT];

	buf_puts(letter, "{\"error\":{\"kind\":\"reject\",\"message\":");
	utf8_json_string(letter, h->text.text, h->text.len);
	buf_printf(letter, "},\"failed_at\":\"%s\",\"raw\":", clock_format(clock_wall_us(), at));
	utf8_json_string(letter, h->raw, h->raw_len);
	buf_puts(letter, "}");
}

static int refuse(struct reporter *r, size_t *n, struct err *err)
{
	while (r->refusals.first) {
		const struct held *h = r->refusals.first;
		scoped(free_p) char *dlq = xasprintf("pixelfleet:dlq:%s", h->is_homeless ? "jobs" : h->lane->queue);
		scoped(buf_free) struct buf letter = { 0 };
		struct line one = { 0 };

		write_letter(h, &letter);
		if (redis_script(&r->redis, "refuse", 2, 4, (const char *[]){ r->w->running_key, dlq, h->raw, letter.text },
			    (const size_t[]){ strlen(r->w->running_key), strlen(dlq), h->raw_len, letter.len }, NULL, err) < 0)
			return -1;
		log_warn("task.refused", "queue=%s bytes=%zu error=%s", h->lane->queue, h->raw_len, log_quote(h->text.text));
		line_push(&one, line_pop(&r->refusals));
		*n += 1;
		held_drop(&r->w->held, &one);
	}
	return 0;
}

int settle_all(struct reporter *r, size_t *ret_n, struct err *err)
{
	scoped_lock(&r->w->running_lock);

	*ret_n += r->forgotten.n;
	held_drop(&r->w->held, &r->forgotten);
	if (acknowledge(r, ret_n, err) < 0 || put_back(r, ret_n, err) < 0 || refuse(r, ret_n, err) < 0)
		return -1;
	return 0;
}
