#include "table.h"

#include <stdarg.h>
#include <stdlib.h>

#define GAP "  "

void cli_column(struct cli_table *t, const char *head, bool right)
{
	must(t->ncolumns < CLI_COLUMNS && t->ncells == 0);
	t->columns[t->ncolumns++] = (struct cli_column){ head, right, cli_width(head) };
}

static void add(struct cli_table *t, enum cli_style style, const char *raw)
{
	struct cli_column *column = &t->columns[t->ncells % t->ncolumns];
	struct buf clean = { 0 };
	char *text;

	cli_clean(&clean, raw);
	text = buf_take(&clean);
	column->width = max_of(column->width, cli_width(text));
	t->cells = grow(t->cells, t->ncells + 1, &t->cap, sizeof *t->cells);
	t->cells[t->ncells++] = (struct cli_cell){ text, style };
}

void cli_cell(struct cli_table *t, enum cli_style style, const char *fmt, ...)
{
	scoped(free_p) char *raw = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&raw, fmt, ap);
	va_end(ap);
	must(n >= 0 && t->ncolumns > 0);
	add(t, style, raw);
}

void cli_cell_age(struct cli_table *t, const char *time, int64_t now_us)
{
	scoped(buf_free) struct buf age = { 0 };

	cli_age(&age, time, now_us);
	add(t, CLI_PLAIN, age.text ? age.text : "");
}

size_t cli_rows(const struct cli_table *t)
{
	return t->ncolumns ? t->ncells / t->ncolumns : 0;
}

static void pad(struct buf *to, size_t n)
{
	while (n-- > 0)
		buf_puts(to, " ");
}

static void put(const struct cli_table *t, const struct cli_look *look, size_t at, const char *text,
	enum cli_style style, struct buf *to)
{
	const struct cli_column *column = &t->columns[at];
	size_t room = column->width - cli_width(text);
	bool last = at + 1 == t->ncolumns;

	if (column->right)
		pad(to, room);
	cli_styled(to, look, *text ? style : CLI_PLAIN, text);
	if (!column->right && !last)
		pad(to, room);
	if (!last) {
		buf_puts(to, GAP);
		return;
	}
	while (to->len && to->text[to->len - 1] == ' ')
		to->len--;
	buf_puts(to, "\n");
}

void cli_table_text(const struct cli_table *t, const struct cli_look *look, struct buf *to)
{
	for (size_t i = 0; i < t->ncolumns; i++)
		put(t, look, i, t->columns[i].head, CLI_BOLD, to);
	for (size_t i = 0; i < t->ncells; i++)
		put(t, look, i % t->ncolumns, t->cells[i].text, t->cells[i].style, to);
}

void cli_table_print(const struct cli_table *t, FILE *to, const struct cli_look *look)
{
	scoped(buf_free) struct buf text = { 0 };

	cli_table_text(t, look, &text);
	fwrite(text.text, 1, text.len, to);
}

void cli_table_done(struct cli_table *t)
{
	for (size_t i = 0; i < t->ncells; i++)
		free(t->cells[i].text);
	free(t->cells);
	*t = (struct cli_table){ 0 };
}
