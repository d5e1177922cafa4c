/*
 * table.h - aligned columns.
 *
 *	scoped(cli_table_done) struct cli_table t = { 0 };
 *	cli_column(&t, "QUEUE", false);
 *	cli_column(&t, "WAITING", true);                        // numbers: to the right
 *	cli_cell(&t, CLI_PLAIN, "%s", queue);
 *	cli_cell(&t, n ? CLI_RED : CLI_PLAIN, "%ld", n);        // the row is full: the next cell begins another
 *	cli_table_print(&t, c->out, &c->look);
 *
 * Texts are cleaned (text.h). The last column is as wide as it likes.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "text.h"

#include <stdio.h>

#define CLI_COLUMNS 16

struct cli_table {
	struct cli_column {
		const char *head;
		bool right;
		size_t width;
	} columns[CLI_COLUMNS];
	size_t ncolumns;
	struct cli_cell {
		char *text;
		enum cli_style style;
	} *cells;
	size_t ncells, cap;
};

void cli_column(struct cli_table *t, const char *head, bool right);    /* before the first cell */
void cli_cell(struct cli_table *t, enum cli_style style, const char *fmt, ...) printf_like(3, 4);
void cli_cell_age(struct cli_table *t, const char *time, int64_t now_us);
size_t cli_rows(const struct cli_table *t);
void cli_table_text(const struct cli_table *t, const struct cli_look *look, struct buf *to);
void cli_table_print(const struct cli_table *t, FILE *to, const struct cli_look *look);
void cli_table_done(struct cli_table *t);

#endif
