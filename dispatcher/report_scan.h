/*
 * report_scan.h - reports read from a request's body without making a JSON document of it.
 *
 * Nearly all reports are of successes with nothing to say but that; these are read as they stand. Anything else (a
 * failure, a result, a member or a way to write it that is not known here) is left to report_parse(), which also has the
 * words for what is wrong. What is accepted here is accepted there, and becomes the same operation but for what is only
 * kept of failures (when it began, by which worker).
 */
#ifndef REPORT_SCAN_H
#define REPORT_SCAN_H

#include "ledger.h"

struct report_scan {            /* over the list in a body; .at and .end are set by the caller */
	const char *at, *end;
	bool has_begun;
};

/* The next report. 1: from *ret_text on, *ret_len bytes, and *ret_op is its operation, or NULL when it is left to
 * report_parse(). 0: that was all. -1: not a list of objects; what was said of its reports before may be wrong, too. */
int report_scan_next(struct report_scan *s, const char **ret_text, size_t *ret_len, struct op **ret_op) must_use;

#endif
