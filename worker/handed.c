#include "handed.h"

#include "fault.h"
#include "quick.h"
#include "worker.h"

void handed_header(struct worker *w, struct buf *to)
{
	bool any = false;

	if (w->once || !worker_may_claim(w))
		return;
	buf_puts(to, "x-pixelfleet-room: {\"worker\":");
	buf_json_string(to, w->name);
	buf_puts(to, ",\"room\":{");
	for (size_t i = 0; i < w->nlanes; i++) {
		size_t room = lane_hand_room(&w->lanes[i]);

		if (!room)
			continue;
		buf_puts(to, any ? "," : "");
		buf_json_string(to, w->lanes[i].queue);
		buf_printf(to, ":%zu", room);
		any = true;
	}
	buf_puts(to, "}}");
	if (!any)
		buf_clear(to);
}

/* What has run meanwhile is added to `ran`. */
static void take_one(struct worker *w, const json_t *text, bool first, struct line *ran)
{
	struct line one = { 0 };
	struct lane *lane;
	struct held *h;

	if (!json_is_string(text))
		return;
	worker_accept(w, &w->lanes[0], json_string_value(text), json_string_length(text), &one);
	h = line_pop(&one);
	if (!h)
		return;                 /* refused, or cancelled meanwhile */
	lane = worker_lane(w, h->task->queue);
	if (lane)
		h->lane = lane;
	if (quick_may_run(w, h)) {
		quick_run(w, h);
		line_push(ran, h);
	} else {
		lane_hand(h->lane, h, first);
	}
}

void handed_take(struct worker *w, const json_t *answer)
{
	const json_t *tasks = json_object_get(answer, "tasks");
	size_t n = json_array_size(tasks), first = 0;
	struct line ran = { 0 };

	if (!n)
		return;
	fault_die("worker.handed");
	if (json_integer_value(json_object_get(answer, "first")) > 0)
		first = min_of((size_t)json_integer_value(json_object_get(answer, "first")), n);
	for (size_t i = first; i-- > 0;)        /* each goes before all others */
		take_one(w, json_array_get(tasks, i), true, &ran);
	for (size_t i = first; i < n; i++)
		take_one(w, json_array_get(tasks, i), false, &ran);
	reporter_push_all(&w->reporter, &ran);
}
