#include "breaker.h"
#include "test.h"

#include "buf.h"
#include "log.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HOST "callback:example.org:80"
#define NOW  ((int64_t)1000000000)
#define WALL ((int64_t)1767225600000000)        /* 2026-01-01 */

static void break_it(struct breakers *b, const char *name, int64_t now_ms)
{
	for (int k = 0; k < BREAKER_OPENS_AFTER; k++)
		breakers_fault(b, name, "connection refused", false, now_ms);
	assert_true(breakers_is_open(b, name));
}

/* The one that there is. */
static struct breaker only(struct breakers *b)
{
	size_t n;
	scoped(free_p) struct breaker *all = breakers_all(b, &n);

	assert_int_equal(n, 1);
	return all[0];
}

/* As another dispatcher would read it. */
static struct breaker over_the_wire(const struct breaker *k, int64_t now_ms)
{
	scoped(json_decref_p) json_t *o = breaker_json(k, now_ms, WALL);
	struct breaker read;

	assert_non_null(o);
	assert_true(breaker_parse(o, now_ms, WALL, &read));
	return read;
}

TEST(breaker_opens_after_five_faults_in_a_row)
{
	struct breakers *b = breakers_new(86400, 30);

	for (int k = 0; k < 4; k++) {
		breakers_fault(b, HOST, "refused", false, NOW);
		assert_false(breakers_is_open(b, HOST));
		breakers_judging(b);
		assert_false(breakers_pardon(b, HOST, NOW));
		assert_true(breakers_may_flow(b, HOST, NOW));
	}
	breakers_judging(b);
	breakers_fault(b, HOST, "refused", false, NOW);
	assert_true(breakers_is_open(b, HOST));
	assert_true(breakers_pardon(b, HOST, NOW));
	assert_false(breakers_may_flow(b, HOST, NOW));
	assert_false(breakers_is_open(b, "callback:example.org:81"));
	assert_true(breakers_may_flow(b, "callback:example.org:81", NOW));
	breakers_free(b);
}

TEST(breaker_pardons_what_follows_the_fifth_fault_of_one_batch)
{
	struct breakers *b = breakers_new(86400, 30);

	for (int again = 0; again < 2; again++) {       /* the batch failed, and is applied once more */
		breakers_judging(b);
		for (int k = 0; k < 5; k++)
			assert_false(breakers_pardon(b, HOST, NOW));
		for (int k = 0; k < 100; k++)
			assert_true(breakers_pardon(b, HOST, NOW));
	}
	assert_false(breakers_is_open(b, HOST));
	breakers_judging(b);
	assert_false(breakers_pardon(b, HOST, NOW));
	breakers_free(b);
}

TEST(breaker_counts_anew_after_an_answer)
{
	struct breakers *b = breakers_new(86400, 30);

	for (int k = 0; k < 20; k++) {
		breakers_fault(b, HOST, "refused", false, NOW);
		if (k % 4 == 3)
			breakers_answer(b, HOST, NOW);
	}
	assert_false(breakers_is_open(b, HOST));
	breakers_free(b);
}

TEST(breaker_of_triton_never_charges_until_its_patience_ends)
{
	struct breakers *b = breakers_new(60, 30);

	assert_true(breakers_pardon(b, "triton", NOW));
	assert_false(breakers_pardon(b, HOST, NOW));
	break_it(b, "triton", NOW);
	assert_true(breakers_pardon(b, "triton", NOW + 59999));
	assert_false(breakers_pardon(b, "triton", NOW + 60000));
	breakers_free(b);
}

TEST(breaker_whose_probe_was_lost_is_forgotten_all_the_same)
{
	struct breakers *b = breakers_new(60, 30);

	break_it(b, HOST, NOW);
	breakers_probing(b, HOST, NOW + 1000);
	breakers_tick(b, NOW + 600000);         /* its patience has ended, too */
	breakers_tick(b, NOW + 700000);
	assert_false(breakers_is_open(b, HOST));
	assert_true(breakers_may_flow(b, HOST, NOW + 701000));
	{
		size_t n;
		scoped(free_p) struct breaker *all = breakers_all(b, &n);

		assert_int_equal(n, 1);
		assert_int_equal(all->state, BREAKER_CLOSED);
	}
	breakers_free(b);
}

TEST(breaker_probes_slower_and_slower_up_to_its_limit)
{
	static const unsigned want_s[] = { 1, 2, 4, 8, 16, 30, 30 }, triton_s[] = { 1, 2, 2 };
	struct breakers *b = breakers_new(86400, 30);
	int64_t now = NOW;
	struct breaker k;

	for (unsigned p = 0; p < countof(triton_s); p++)
		assert_int_equal(breakers_interval_ms(b, "triton", p), triton_s[p] * 1000);
	break_it(b, HOST, now);
	for (unsigned p = 0; p < countof(want_s); p++) {
		assert_false(breakers_wants_probe(b, HOST, now + want_s[p] * 1000 - 1, &k));
		now += want_s[p] * 1000;
		assert_true(breakers_wants_probe(b, HOST, now, &k));
		breakers_probing(b, HOST, now);
		breakers_fault(b, HOST, "still refused", true, now);
	}
	assert_string_equal(only(b).why, "still refused");
	breakers_free(b);
}

TEST(breaker_does_not_slow_its_probes_for_faults_of_steps_that_ran_before_it_opened)
{
	struct breakers *b = breakers_new(86400, 30);
	struct breaker k;

	break_it(b, HOST, NOW);
	for (int n = 0; n < 100; n++)
		breakers_fault(b, HOST, "refused", false, NOW + 10);
	assert_true(breakers_wants_probe(b, HOST, NOW + 1000, &k));
	assert_int_equal(k.probes, 0);
	breakers_free(b);
}

TEST(breaker_closes_at_the_first_answer_and_lets_flow_when_workers_have_heard)
{
	struct breakers *b = breakers_new(86400, 30);
	struct breaker k;

	break_it(b, HOST, NOW);
	breakers_probing(b, HOST, NOW + 1000);
	assert_true(only(b).is_probing);
	breakers_answer(b, HOST, NOW + 1100);
	assert_false(breakers_is_open(b, HOST));
	assert_false(breakers_pardon(b, HOST, NOW + 1100));
	assert_false(breakers_wants_probe(b, HOST, NOW + 99000, &k));
	assert_false(breakers_may_flow(b, HOST, NOW + 1200));
	assert_true(breakers_may_flow(b, HOST, NOW + 1800));
	breakers_free(b);
}

TEST(breaker_that_is_overdue_lets_flow_and_charges_and_closes_like_any)
{
	struct breakers *b = breakers_new(60, 30);

	break_it(b, HOST, NOW);
	breakers_tick(b, NOW + 59000);
	assert_true(breakers_is_open(b, HOST));
	breakers_fault(b, HOST, "refused", true, NOW + 59000);
	breakers_tick(b, NOW + 60000);
	assert_int_equal(only(b).state, BREAKER_OVERDUE);
	assert_false(breakers_is_open(b, HOST));
	assert_true(breakers_may_flow(b, HOST, NOW + 60000));
	for (int n = 0; n < 10; n++)
		breakers_fault(b, HOST, "refused", false, NOW + 60000);
	assert_int_equal(only(b).state, BREAKER_OVERDUE);
	assert_false(breakers_pardon(b, HOST, NOW + 61000));
	breakers_answer(b, HOST, NOW + 62000);
	assert_int_equal(only(b).state, BREAKER_CLOSED);
	breakers_free(b);
}

TEST(breaker_that_nobody_needs_is_forgotten)
{
	struct breakers *b = breakers_new(86400, 30);

	break_it(b, HOST, NOW);
	breakers_told(b, HOST, only(b).opening);
	breakers_tick(b, NOW + 599000);
	assert_true(breakers_is_open(b, HOST));
	breakers_deferral(b, HOST, NOW + 599000);
	breakers_tick(b, NOW + 601000);
	assert_true(breakers_is_open(b, HOST));
	breakers_tick(b, NOW + 1199000);
	assert_false(breakers_is_open(b, HOST));
	assert_true(only(b).is_news);
	breakers_told(b, HOST, only(b).opening);
	breakers_tick(b, NOW + 1199000 + 60000);
	assert_int_equal(breakers_count(b), 0);
	breakers_fault(b, HOST, "refused", false, NOW);
	breakers_tick(b, NOW + 599999);
	assert_int_equal(breakers_count(b), 1);
	breakers_tick(b, NOW + 600000);
	assert_int_equal(breakers_count(b), 0);
	breakers_free(b);
}

TEST(breaker_that_one_dispatcher_opens_is_open_in_the_others_until_anyone_closes_it)
{
	struct breakers *a = breakers_new(86400, 30), *b = breakers_new(86400, 30);
	struct breaker said;

	break_it(a, HOST, NOW);
	assert_true(only(a).is_news);
	said = only(a);
	said = over_the_wire(&said, NOW);
	breakers_merge(b, &said, NOW);
	assert_true(breakers_is_open(b, HOST));
	assert_string_equal(only(b).opening, only(a).opening);
	assert_false(only(b).is_news);
	breakers_answer(b, HOST, NOW + 500);
	assert_true(only(b).is_news);
	said = only(b);
	said = over_the_wire(&said, NOW + 500);
	assert_int_equal(said.state, BREAKER_CLOSED);
	breakers_told(a, HOST, said.opening);
	breakers_merge(a, &said, NOW + 600);
	assert_false(breakers_is_open(a, HOST));
	assert_false(breakers_may_flow(a, HOST, NOW + 700));
	assert_false(only(a).is_news);
	breakers_free(a);
	breakers_free(b);
}

TEST(breaker_counts_the_probes_of_all_dispatchers)
{
	struct breakers *a = breakers_new(86400, 30), *b = breakers_new(86400, 30);
	struct breaker said;

	break_it(a, HOST, NOW);
	said = only(a);
	breakers_merge(b, &said, NOW);
	breakers_probing(b, HOST, NOW + 1000);
	breakers_fault(a, HOST, "refused", true, NOW + 1001);   /* the report of it goes to the other one */
	said = only(b);
	breakers_merge(a, &said, NOW + 1100);                   /* which hears only now that there was a probe */
	assert_int_equal(only(a).probes, 1);
	assert_true(only(a).is_news);
	said = only(a);
	breakers_merge(b, &said, NOW + 1200);
	assert_int_equal(only(b).probes, 1);
	assert_false(only(b).is_news);
	assert_false(only(b).is_probing);
	assert_int_equal(only(b).next_probe_ms, NOW + 1001 + 2000);
	breakers_free(a);
	breakers_free(b);
}

TEST(breaker_closed_in_an_earlier_opening_stays_open_in_this_one)
{
	struct breakers *b = breakers_new(86400, 30);
	struct breaker old;

	break_it(b, HOST, NOW);
	breakers_answer(b, HOST, NOW);
	old = only(b);
	break_it(b, HOST, NOW);
	assert_string_not_equal(only(b).opening, old.opening);
	old = over_the_wire(&old, NOW);
	breakers_merge(b, &old, NOW);
	assert_true(breakers_is_open(b, HOST));
	breakers_free(b);
}

TEST(breaker_closed_here_is_told_again_when_somebody_wrote_it_open)
{
	struct breakers *b = breakers_new(86400, 30);
	struct breaker before;

	break_it(b, HOST, NOW);
	before = only(b);
	breakers_answer(b, HOST, NOW);
	breakers_told(b, HOST, before.opening);
	assert_false(only(b).is_news);
	before = over_the_wire(&before, NOW);
	breakers_merge(b, &before, NOW);
	assert_false(breakers_is_open(b, HOST));
	assert_true(only(b).is_news);
	breakers_free(b);
}

TEST(breaker_json_is_readable_and_read_back)
{
	struct breakers *b = breakers_new(86400, 30);
	scoped(buf_free) struct buf text = { 0 };
	scoped(json_decref_p) json_t *o = NULL;
	struct breaker k, back;

	break_it(b, HOST, NOW);
	breakers_waiting(b, HOST, 17);
	k = only(b);
	snprintf(k.opening, sizeof k.opening, "0123456789abcdef");
	o = breaker_json(&k, NOW + 500, WALL);
	buf_json(&text, o);
	assert_string_equal(text.text, "{\"backend\":\"" HOST "\",\"state\":\"open\",\"since\":\"2025-12-31T23:59:59.500000Z\","
		"\"why\":\"connection refused\",\"faults\":5,\"probes\":0,\"waiting\":17,\"next_probe\":\"2026-01-01T00:00:00.500000Z\","
		"\"opening\":\"0123456789abcdef\"}");
	assert_true(breaker_parse(o, NOW + 500, WALL, &back));
	assert_int_equal(back.since_ms, k.since_ms);
	assert_int_equal(back.next_probe_ms, k.next_probe_ms);
	assert_int_equal(back.waiting, 17);
	assert_int_equal(back.state, BREAKER_OPEN);
	breakers_free(b);
}

TEST(breaker_reads_nothing_that_is_none)
{
#define TIMES "\"since\":\"2026-01-01T00:00:00Z\",\"next_probe\":\"2026-01-01T00:00:00Z\""
	static const char *const bad[] = {
		"{}", "[]",
		"{\"backend\":\"a b\",\"state\":\"open\"," TIMES ",\"opening\":\"0123456789abcdef\"}",
		"{\"backend\":\"a\",\"state\":\"ajar\"," TIMES ",\"opening\":\"0123456789abcdef\"}",
		"{\"backend\":\"a\",\"state\":\"open\",\"since\":\"now\",\"next_probe\":\"2026-01-01T00:00:00Z\",\"opening\":\"0123456789abcdef\"}",
		"{\"backend\":\"a\",\"state\":\"open\"," TIMES ",\"opening\":\"0123\"}",
	};
	struct breaker k;

	for (size_t i = 0; i < countof(bad); i++) {
		scoped(json_decref_p) json_t *o = json_loads(bad[i], 0, NULL);

		assert_non_null(o);
		assert_false(breaker_parse(o, NOW, WALL, &k));
	}
	assert_false(breaker_parse(NULL, NOW, WALL, &k));
}

TEST(breaker_times_of_a_machine_with_a_wrong_clock_do_no_harm)
{
	static const char text[] = "{\"backend\":\"a\",\"state\":\"open\",\"since\":\"2039-01-01T00:00:00Z\",\"next_probe\":\"2039-01-01T00:00:00Z\","
		"\"opening\":\"0123456789abcdef\"}";
	scoped(json_decref_p) json_t *o = json_loads(text, 0, NULL);
	struct breakers *b = breakers_new(3600, 30);
	struct breaker k;

	assert_true(breaker_parse(o, NOW, WALL, &k));
	assert_int_equal(k.since_ms, NOW);
	breakers_merge(b, &k, NOW);
	assert_true(breakers_wants_probe(b, "a", NOW + 60000, &k));
	breakers_free(b);
}

TEST(breaker_that_was_opened_by_a_clock_that_has_been_put_right_is_probed_all_the_same)
{
	struct breakers *a = breakers_new(86400, 30), *b = breakers_new(86400, 30);
	struct breaker k;
	scoped(json_decref_p) json_t *o = NULL;

	break_it(a, HOST, NOW);
	k = only(a);
	o = breaker_json(&k, NOW, WALL + 86400000000);      /* a day ahead */
	for (int s = 1; s <= 3; s++) {                          /* both read it every second */
		struct breaker said;

		assert_true(breaker_parse(o, NOW + s * 1000, WALL + s * 1000000, &said));
		breakers_merge(a, &said, NOW + s * 1000);
		breakers_merge(b, &said, NOW + s * 1000);
	}
	assert_true(breakers_wants_probe(a, HOST, NOW + breakers_interval_ms(a, HOST, 0), &k));
	assert_true(breakers_wants_probe(b, HOST, NOW + 1000 + breakers_interval_ms(b, HOST, 0), &k));
	breakers_free(a);
	breakers_free(b);
}

TEST(breaker_names_are_short_and_printable)
{
	char name[200];

	assert_true(breaker_is_name("triton"));
	assert_true(breaker_is_name("callback:[::1]:8080"));
	assert_false(breaker_is_name(NULL));
	assert_false(breaker_is_name(""));
	assert_false(breaker_is_name("a b"));
	assert_false(breaker_is_name("a\n"));
	assert_false(breaker_is_name("\xc3\xa4"));
	memset(name, 'x', 121);
	name[121] = '\0';
	assert_false(breaker_is_name(name));
	name[120] = '\0';
	assert_true(breaker_is_name(name));
}

TEST(breaker_table_that_is_full_of_open_ones_takes_no_more_and_forgets_none)
{
	struct breakers *b = breakers_new(86400, 30);
	char name[32];

	log_setup(LOG_ERROR_, false);           /* 256 warnings say nothing more than one */
	for (int k = 0; k < 300; k++) {
		snprintf(name, sizeof name, "callback:h%d:80", k);
		for (int f = 0; f < BREAKER_OPENS_AFTER; f++)
			breakers_fault(b, name, "refused", false, NOW);
	}
	assert_int_equal(breakers_count(b), 256);
	assert_true(breakers_is_open(b, "callback:h0:80"));
	assert_false(breakers_is_open(b, "callback:h299:80"));
	breakers_answer(b, "callback:h7:80", NOW);
	breakers_fault(b, "callback:h299:80", "refused", false, NOW);
	assert_int_equal(breakers_count(b), 256);
	breakers_free(b);
	log_setup(LOG_INFO_, false);
}

static void *hammer(void *arg)
{
	struct breakers *b = arg;

	for (int k = 0; k < 2000; k++) {
		size_t n;
		struct breaker said;
		scoped(free_p) struct breaker *all = breakers_all(b, &n);

		breakers_fault(b, HOST, "refused", k % 2, NOW + k);
		if (breakers_wants_probe(b, HOST, NOW + k, &said))
			breakers_probing(b, HOST, NOW + k);
		breakers_pardon(b, HOST, NOW + k);
		if (n) {
			said = all[0];
			breakers_merge(b, &said, NOW + k);
		}
		if (k % 16 == 0)
			breakers_answer(b, HOST, NOW + k);
		breakers_tick(b, NOW + k);
	}
	return NULL;
}

TEST(threads_may_use_the_breakers_at_once)
{
	struct breakers *b = breakers_new(86400, 30);
	pthread_t threads[4];

	log_setup(LOG_ERROR_, false);
	for (size_t i = 0; i < countof(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, b), 0);
	for (size_t i = 0; i < countof(threads); i++)
		pthread_join(threads[i], NULL);
	assert_true(breakers_count(b) <= 1);
	breakers_free(b);
	log_setup(LOG_INFO_, false);
}
