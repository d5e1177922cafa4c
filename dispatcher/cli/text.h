/*
 * text.h - text for terminals: how wide it is, what is safe to print, colours, times.
 *
 * What came from elsewhere (labels, file names, error texts) goes through cli_clean():
 * a picture's name must not be able to move the cursor or change the terminal's title.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "buf.h"

#include <jansson.h>

enum cli_style { CLI_PLAIN, CLI_BOLD, CLI_DIM, CLI_RED, CLI_GREEN, CLI_YELLOW, CLI_BLUE };

struct cli_look {
	bool live;              /* a terminal: lines may be drawn again */
	bool color;             /* a terminal, and neither NO_COLOR nor TERM=dumb */
	bool unicode;           /* the locale says UTF-8 */
	unsigned columns;
};

struct cli_look cli_look_of(int fd);

size_t cli_width(const char *utf8);                     /* columns on a terminal */
void cli_clean(struct buf *to, const char *text);       /* control characters and broken UTF-8 become visible */
/* Indented JSON; safe to print, too. The caller frees it. */
char *cli_pretty(const json_t *value);
void cli_cut(struct buf *to, const char *text, size_t columns);         /* clean, and at most so wide, with ".." */
void cli_styled(struct buf *to, const struct cli_look *look, enum cli_style style, const char *text);
enum cli_style cli_state_style(const char *state);      /* of a job or a step */

void cli_duration(struct buf *to, double seconds);      /* "850 ms", "12.3 s", "4m10s", "3h05m", "2d4h" */
void cli_bytes(struct buf *to, double bytes);           /* "3.2 MiB" */
/* RFC 3339 in UTC, as clock_format() writes it. */
int cli_time_parse(const char *text, int64_t *ret_us) must_use;
void cli_age(struct buf *to, const char *time, int64_t now_us);         /* "4m10s"; "" when it is no time */

/* Members of an answer; what is missing or of another type is "" or 0. */
const char *cli_str(const json_t *o, const char *key);
json_int_t cli_int(const json_t *o, const char *key);
double cli_num(const json_t *o, const char *key);

#endif
