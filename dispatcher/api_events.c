/* api_events.c - GET /api/v1/events: see events.h. */
#include "events.h"
#include "job_find.h"

#include <string.h>

void api_events(struct request *req)
{
	static const char hello[] = ": pixelfleet\nretry: 2000\n\n";
	const char *job = request_arg(req, "job");
	char id[UUID_TEXT];
	struct stream *s;

	if (job && job_find(req, job, id) < 0)
		return;
	if (req->is_head) {
		answer_nothing(req, 200, "text/event-stream; charset=utf-8");
		return;
	}
	if (events_is_full(req->events)) {
		answer_error(req, 503, "%d streams are open, which is the most", EVENTS_MAX_STREAMS);
		return;
	}
	s = answer_stream(req);
	(void)stream_write(s, hello, sizeof hello - 1);
	events_add(req->events, job ? id : NULL, s);
}
