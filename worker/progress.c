#include "progress.h"

#include "log.h"
#include "sync.h"

#include <stdio.h>
#include <stdlib.h>

void progress_init(struct progress *p)
{
	*p = (struct progress){ 0 };
	mutex_init(&p->lock);
}

void progress_done(struct progress *p)
{
	while (p->n > 0)
		free(p->waiting[--p->n].text);
	pthread_mutex_destroy(&p->lock);
}

void progress_tell(struct progress *p, const struct task *task, const char *what, int64_t bytes)
{
	scoped(buf_free) struct buf text = { 0 };

	buf_puts(&text, "{\"progress\":{\"step\":");
	buf_json_string(&text, task->step);
	buf_printf(&text, ",\"item\":%d,\"what\":", task->item);
	buf_json_string(&text, what);
	if (bytes > 0)
		buf_printf(&text, ",\"bytes\":%lld", (long long)bytes);
	buf_puts(&text, "}}");
	scoped_lock(&p->lock);
	if (p->n == PROGRESS_MOST)
		return;
	snprintf(p->waiting[p->n].job, sizeof p->waiting[p->n].job, "%s", task->job);
	p->waiting[p->n++].text = buf_take(&text);
}

static bool take_first(struct progress *p, char job[37], char **ret_text)
{
	scoped_lock(&p->lock);

	if (p->n == 0)
		return false;
	snprintf(job, 37, "%s", p->waiting[0].job);
	*ret_text = p->waiting[0].text;
	p->n--;
	for (size_t i = 0; i < p->n; i++)
		p->waiting[i] = p->waiting[i + 1];
	return true;
}

void progress_publish(struct progress *p, struct redis *redis)
{
	char job[37];
	char *text;

	while (take_first(p, job, &text)) {
		scoped(free_p) char *channel = xasprintf("pixelfleet:events:%s", job);
		struct err err;

		if (redis_command(redis, NULL, &err, "PUBLISH %s %s", channel, text) < 0)
			log_debug("progress.lost", "error=%s", log_quote(err.msg));
		free(text);
	}
}
