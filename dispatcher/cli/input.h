/*
 * input.h - what people hand in: files, JSON on the command line, submissions to send.
 *
 * "-" is standard input. What is no JSON is refused with the line and column; what cannot be
 * read is a matter of usage.
 */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "cli.h"

#define CLI_INPUT_MAX (256u << 20)

/* One document of a file that may hold several, one after another or in a list. */
struct cli_document {
	json_t *body;
	char *source;           /* "jobs.ndjson:3", for messages */
	char *pointer;          /* where `body` is inside the source: "", or "/2" of a list */
};

struct cli_documents {
	struct cli_document *items;
	size_t n, cap;
};

int cli_read(struct cli *c, const char *path, struct buf *ret, struct err *err) must_use;
/* All documents of `text`; a list counts as its members. -1: c->code says what kind of trouble. */
int cli_documents_parse(struct cli *c, const char *text, size_t len, const char *name, struct cli_documents *ret,
	struct err *err) must_use;
void cli_documents_done(struct cli_documents *d);

/* The file must hold exactly one object. */
int cli_read_object(struct cli *c, const char *path, json_t **ret, struct err *err) must_use;
/* The value of an option: JSON text, or @FILE. It must be an object. */
int cli_option_object(struct cli *c, const char *option, const char *value, json_t **ret, struct err *err) must_use;

/* Relative paths of pictures in the submission ("images", "input_urls") become absolute. A relative one
 * that does not exist here cannot mean anything elsewhere: refused. */
int cli_absolute_images(struct cli *c, json_t *submission, struct err *err) must_use;
char *cli_absolute(const char *path);   /* NULL: a relative path of nothing that exists */

#endif
