#include "test.h"

#include "held.h"

#include <string.h>

static struct held *make(const char *raw)
{
	return held_new(NULL, raw, strlen(raw));
}

static void expect(const struct line *l, const char *text)
{
	scoped(buf_free) struct buf b = { 0 };

	for (const struct held *h = l->first; h; h = h->after)
		buf_puts(&b, h->raw);
	assert_string_equal(b.text ? b.text : "", text);
	assert_int_equal(b.len, l->n);
	assert_true((l->last == NULL) == (l->n == 0));
}

TEST(line_is_first_in_first_out)
{
	struct line l = { 0 }, more = { 0 };
	struct held *h;

	line_push(&l, make("a"));
	line_push(&l, make("b"));
	line_push_front(&l, make("0"));
	line_push(&more, make("c"));
	line_append(&l, &more);
	line_append(&l, &more);
	expect(&more, "");
	expect(&l, "0abc");
	while ((h = line_pop(&l)))
		held_free(h);
	expect(&l, "");
}

TEST(line_gives_up_an_entry_from_any_place)
{
	struct line l = { 0 };
	struct held *at[4];

	for (int i = 0; i < 4; i++)
		line_push(&l, at[i] = make((const char[]){ (char)('a' + i), '\0' }));
	assert_true(line_remove(&l, at[1]));
	expect(&l, "acd");
	assert_false(line_remove(&l, at[1]));
	assert_true(line_remove(&l, at[3]));
	assert_true(line_remove(&l, at[0]));
	expect(&l, "c");
	line_push(&l, at[0]);
	expect(&l, "ca");
	for (int i = 0; i < 4; i++)
		held_free(at[i]);
}

static void count_one(struct held *h, void *arg)
{
	(void)h;
	++*(int *)arg;
}

TEST(held_set_lists_what_was_added_until_it_is_dropped)
{
	struct held_set s;
	struct line l = { 0 }, some = { 0 };
	int n = 0;

	held_set_init(&s);
	for (int i = 0; i < 5; i++)
		line_push(&l, make("x"));
	held_add(&s, &l);
	line_push(&some, line_pop(&l));
	line_push(&some, line_pop(&l));
	held_drop(&s, &some);
	held_each(&s, count_one, &n);
	assert_int_equal(n, 3);
	assert_int_equal(held_count(&s), 3);
	held_set_done(&s);
}
