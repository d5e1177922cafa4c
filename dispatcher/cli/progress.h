/*
 * progress.h - how far a job is, as one line.
 *
 *	photo-ingest  [########--------]  512/1000  51%  3 failed  120/s  4.1 s left
 *
 * Fed with the objects of the event stream or of GET /api/v1/jobs/ID, which have the same
 * members. The speed is that of the last ten seconds.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "text.h"

#define CLI_SAMPLES 64

struct cli_progress {
	char *id, *label;
	char state[16];                 /* "" until the first update */
	json_int_t total, succeeded, failed, skipped, cancelled;
	char *note;                     /* what a step told last, until the next change; NULL: nothing */
	int64_t began_ms;               /* monotonic, of the first update */
	struct cli_sample {
		int64_t at_ms;
		json_int_t done;
	} samples[CLI_SAMPLES];         /* a ring; the newest is at (nsamples - 1) % CLI_SAMPLES */
	size_t nsamples;
};

void cli_progress_init(struct cli_progress *p, const char *id, const char *label);
void cli_progress_free(struct cli_progress *p);

/* true when it differs from what was known. */
bool cli_progress_update(struct cli_progress *p, const json_t *job, int64_t now_ms);
/* The data of an event "progress": {"step","item","what","bytes"?}. */
void cli_progress_note(struct cli_progress *p, const json_t *told);
bool cli_progress_has_ended(const struct cli_progress *p);
json_int_t cli_progress_done(const struct cli_progress *p);
double cli_progress_rate(const struct cli_progress *p, int64_t now_ms);        /* steps a second; 0: not known */

void cli_progress_bar(const struct cli_progress *p, const struct cli_look *look, int64_t now_ms, struct buf *to);
void cli_progress_note_line(const struct cli_progress *p, struct buf *to);
void cli_progress_line(const struct cli_progress *p, struct buf *to);  /* for where nothing can be drawn again */

#endif
