/*
 * log.h - one line per event, to stderr, for journald to keep.
 *
 *	log_info("step.done", "ms=%u bytes=%zu", ms, bytes);
 *	  ->  level=info ev=step.done job=41 step=resize ms=87 bytes=1024
 *
 * The format is of key=value words; a value that may hold spaces is given through
 * log_quote(). What the current job is comes from log_scope(), not from every call
 * site. PIXELFLEET_LOG=json prints the same fields as a JSON object a line.
 * Library code returns its error; only main, the loops and the HTTP edge log.
 */
#ifndef LOG_H
#define LOG_H

#include "base.h"

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_, LOG_BUG_ };

struct log_scope {
	struct log_scope *outer;
	const char *key;
	char value[64];
};

void log_scope_begin(struct log_scope *s, const char *key, const char *fmt, ...) printf_like(3, 4);
void log_scope_end(struct log_scope *s);
size_t log_scope_text(char *buf, size_t size);

/* log_scope(job, "%" PRIu64, id);  -- until the end of the block */
#define log_scope(name, ...) \
	scoped(log_scope_end) struct log_scope log_scope_##name = { 0 }; \
	log_scope_begin(&log_scope_##name, #name, __VA_ARGS__)

/* Once, before any thread: least level printed, and JSON or words. */
void log_setup(enum log_level least, bool json);

/* Lines of this level are printed: for who would have to gather what they say. */
bool log_is_on(enum log_level level);

void log_event(enum log_level level, const char *ev, const char *fmt, ...) printf_like(3, 4);
#define log_debug(ev, ...) log_event(LOG_DEBUG_, ev, __VA_ARGS__)
#define log_info(ev, ...)  log_event(LOG_INFO_, ev, __VA_ARGS__)
#define log_warn(ev, ...)  log_event(LOG_WARN_, ev, __VA_ARGS__)
#define log_error(ev, ...) log_event(LOG_ERROR_, ev, __VA_ARGS__)
#define log_bug(ev, ...)   log_event(LOG_BUG_, ev, __VA_ARGS__)

/* `text` in double quotes, newlines and quotes escaped, what is no text replaced, cut to fit; valid until the thread's
 * 4th next call. */
const char *log_quote(const char *text);

#endif
