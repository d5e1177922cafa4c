/* test_crew.c - the queue and the callers of worker/infer, with an engine that waits at a gate. */
#include "clock.h"
#include "crew_inside.h"
#include "slow_engine.h"
#include "sync.h"
#include "test.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct asker {                  /* a slot */
	int ours, theirs;
	struct request *request;        /* until its end */
	pthread_mutex_t lock;
};

static struct slow_engine slow;
static struct crew *crew;
static struct asker askers[32];
static unsigned nasked;
static char stuck[64];

static void on_stuck(const char *model, bool is_load)
{
	snprintf(stuck, sizeof stuck, "%s%s", is_load ? "loading " : "", model);
}

static void begin(size_t callers, size_t batch_max, size_t models_bytes)
{
	const struct crew_options o = { &slow.engine, "cpu", callers, batch_max, models_bytes, 0, on_stuck };
	struct err err;

	slow_engine_init(&slow);
	*stuck = '\0';
	nasked = 0;
	assert_int_equal(crew_start(&o, &crew, &err), 0);
}

static void end(void)
{
	assert_true(crew_stop(crew));
	for (unsigned i = 0; i < nasked; i++) {
		close(askers[i].ours);
		close(askers[i].theirs);
		pthread_mutex_destroy(&askers[i].lock);
	}
	slow_engine_done(&slow);
}

static const char *model(const char *kind, size_t size)
{
	static char path[4][300];
	static unsigned next;
	char *p = path[next++ % countof(path)];
	FILE *f;

	snprintf(p, sizeof path[0], "%s/%s", test_dir(), kind);
	f = fopen(p, "w");
	assert_non_null(f);
	fprintf(f, "%-*s", (int)size, kind);
	fclose(f);
	return p;
}

static void on_end(void *arg)
{
	struct asker *a = arg;
	scoped_lock(&a->lock);

	a->request = NULL;
}

static int tensor(int rows, float first)
{
	int fd = memfd_create("tensors", MFD_CLOEXEC);

	for (int i = 0; i < 2 * rows; i++) {
		float x = first + (float)i;

		assert_int_equal(write(fd, &x, sizeof x), sizeof x);
	}
	return fd;
}

/* rows 0: a description. */
static struct asker *ask_with(const char *path, int rows, float first, json_t *more)
{
	struct asker *a = &askers[nasked++];
	scoped(json_decref_p) json_t *said = json_pack("{s:s, s:s, s:s}", "do", rows ? "infer" : "describe", "name", strrchr(path, '/') + 1,
		"path", path);
	struct request *r = xcalloc(1, sizeof *r);
	struct err err;
	int ends[2], fd = rows ? tensor(rows, first) : -1;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	*a = (struct asker){ ends[0], ends[1], r, PTHREAD_MUTEX_INITIALIZER };
	if (rows)
		json_object_update_new(said, json_pack("{s:[{s:s, s:s, s:[i,i], s:i}], s:[s]}", "inputs", "name", "x", "datatype", "FP32",
			"shape", rows, 2, "bytes", rows * 8, "outputs", "y"));
	if (more)
		json_object_update_new(said, more);
	if (question_read(said, &fd, &r->q, &err) < 0)
		fail_msg("%s", err.msg);
	r->sock = a->theirs;
	r->on_end = on_end;
	r->arg = a;
	crew_submit(crew, r);
	return a;
}

static struct asker *ask(const char *path, int rows, float first)
{
	return ask_with(path, rows, first, NULL);
}

/* The answer, past what says that it loads. */
static json_t *hear(struct asker *a, int *fd)
{
	int fds[WIRE_FDS];
	size_t n = 0;
	json_t *said = NULL;
	struct err err;

	do {
		json_decref(said);
		said = NULL;
		assert_int_equal(wire_recv_json(a->ours, &said, fds, &n, &err), WIRE_MESSAGE);
	} while (json_object_get(said, "loading"));
	*fd = n ? fds[0] : -1;
	return said;
}

/* Its answer is right; how many were in its run. */
static int batch_of(struct asker *a, int rows, float first)
{
	scoped(close_p) int fd = -1;
	scoped(json_decref_p) json_t *said = hear(a, &fd);
	float y[64];

	if (json_object_get(said, "error"))
		fail_msg("%s", json_string_value(json_object_get(json_object_get(said, "error"), "message")));
	assert_int_equal(pread(fd, y, sizeof y, 0), rows * 8);
	for (int i = 0; i < 2 * rows; i++)
		assert_true(y[i] == 2 * (first + (float)i));
	return (int)json_integer_value(json_object_get(said, "batch"));
}

static void is_refused(struct asker *a, const char *kind, const char *word)
{
	scoped(close_p) int fd = -1;
	scoped(json_decref_p) json_t *said = hear(a, &fd);
	const json_t *error = json_object_get(said, "error");

	assert_string_equal(json_string_value(json_object_get(error, "kind")), kind);
	if (!strstr(json_string_value(json_object_get(error, "message")), word))
		fail_msg("'%s' has no '%s'", json_string_value(json_object_get(error, "message")), word);
}

static size_t active(void)
{
	scoped_lock(&crew->lock);

	return crew->active;
}

/* A caller that has answered is not idle yet for a moment. */
static void await_idle(void)
{
	while (active() > 0)
		clock_sleep_ms(1);
}

static void warm(const char *path)
{
	scoped(close_p) int fd = -1;
	scoped(json_decref_p) json_t *said = hear(ask(path, 0, 0), &fd);

	assert_non_null(json_object_get(said, "model"));
}

/* As the reception does: what has ended meanwhile needs no calling off. true: it had not begun. */
static bool leave(struct asker *a)
{
	scoped_lock(&a->lock);

	return a->request && crew_cancel(crew, a->request);
}

static unsigned runs(void)
{
	return slow_engine_count(&slow, &slow.runs);
}

TEST(threads_what_waits_while_the_caller_is_busy_is_one_run)
{
	const char *path = model("double", 10);

	begin(1, 16, 0);
	warm(path);
	slow_engine_shut(&slow, true, false);
	ask(path, 1, 0);
	slow_engine_await(&slow, 1);
	for (int i = 1; i < 5; i++)
		ask(path, i, (float)i);
	slow_engine_shut(&slow, false, false);
	assert_int_equal(batch_of(&askers[1], 1, 0), 1);
	for (int i = 1; i < 5; i++)
		assert_int_equal(batch_of(&askers[1 + i], i, (float)i), 4);
	assert_int_equal(runs(), 2);
	assert_int_equal(slow.rows[1], 10);
	end();
}

TEST(threads_two_requests_before_two_idle_callers_are_two_runs)
{
	const char *path = model("double", 10);

	begin(2, 16, 0);
	warm(path);
	await_idle();
	slow_engine_shut(&slow, true, false);
	ask(path, 1, 0);
	ask(path, 1, 5);
	slow_engine_await(&slow, 2);
	slow_engine_shut(&slow, false, false);
	assert_int_equal(batch_of(&askers[1], 1, 0), 1);
	assert_int_equal(batch_of(&askers[2], 1, 5), 1);
	end();
}

TEST(threads_what_gathers_while_a_model_loads_is_shared_out_evenly)
{
	const char *path = model("double", 10);

	begin(2, 16, 0);
	slow_engine_shut(&slow, true, true);
	for (int i = 0; i < 6; i++)
		ask(path, 1, (float)i);
	slow_engine_await(&slow, 1);
	slow_engine_shut(&slow, true, false);
	slow_engine_await(&slow, 2);
	slow_engine_shut(&slow, false, false);
	for (int i = 0; i < 6; i++)
		batch_of(&askers[i], 1, (float)i);
	assert_int_equal(slow.loads, 1);
	assert_true(slow.rows[0] == 3 && runs() == 2);
	end();
}

TEST(threads_a_batch_is_no_larger_than_either_limit)
{
	const char *path = model("double", 10);

	begin(1, 3, 0);
	warm(path);
	for (int round = 0; round < 2; round++) {
		unsigned first = nasked, before = runs();

		slow_engine_shut(&slow, true, false);
		ask(path, 1, 0);
		slow_engine_await(&slow, 1);
		for (int i = 0; i < 6; i++)
			ask_with(path, 1, (float)i, round ? json_pack("{s:i}", "max_batch", 2) : NULL);
		slow_engine_shut(&slow, false, false);
		batch_of(&askers[first], 1, 0);
		for (int i = 0; i < 6; i++)
			assert_int_equal(batch_of(&askers[first + 1 + (unsigned)i], 1, (float)i), round ? 2 : 3);
		assert_int_equal(runs() - before, round ? 4 : 3);
	}
	end();
}

TEST(threads_models_are_served_in_the_order_of_their_requests)
{
	char one[300], other[300];

	snprintf(one, sizeof one, "%s", model("double", 10));
	snprintf(other, sizeof other, "%s", model("fixed", 10));
	begin(1, 16, 0);
	warm(one);
	warm(other);
	slow_engine_shut(&slow, true, false);
	ask(one, 1, 0);
	slow_engine_await(&slow, 1);
	ask(other, 1, 1);
	ask(one, 2, 2);
	ask(other, 1, 3);
	ask(one, 2, 4);
	slow_engine_shut(&slow, false, false);
	assert_int_equal(batch_of(&askers[2], 1, 0), 1);
	assert_int_equal(batch_of(&askers[3], 1, 1), 1);
	assert_int_equal(batch_of(&askers[4], 2, 2), 2);
	assert_int_equal(batch_of(&askers[5], 1, 3), 1);
	assert_int_equal(batch_of(&askers[6], 2, 4), 2);
	assert_true(slow.rows[1] == 1 && slow.rows[2] == 4 && slow.rows[3] == 1 && runs() == 4);
	end();
}

TEST(threads_a_model_that_mixes_rows_up_is_run_for_each_by_itself)
{
	const char *path = model("mixed", 10);
	scoped(json_decref_p) json_t *first = NULL, *second = NULL;
	int fd;

	begin(1, 16, 0);
	warm(path);
	slow_engine_shut(&slow, true, false);
	ask(path, 1, 0);
	slow_engine_await(&slow, 1);
	ask(path, 1, 1);
	ask(path, 1, 2);
	slow_engine_shut(&slow, false, false);
	first = hear(&askers[2], &fd);
	close(fd);
	second = hear(&askers[3], &fd);
	close(fd);
	assert_int_equal(json_integer_value(json_object_get(first, "batch")), 1);
	assert_int_equal(json_integer_value(json_object_get(second, "batch")), 1);
	assert_int_equal(runs(), 4);
	end();
}

TEST(threads_all_who_wait_for_a_model_that_cannot_be_loaded_hear_why)
{
	const char *path = model("broken", 10);

	begin(2, 16, 0);
	slow_engine_shut(&slow, false, true);
	for (int i = 0; i < 3; i++)
		ask(path, i, 0);
	slow_engine_await(&slow, 1);
	slow_engine_shut(&slow, false, false);
	for (int i = 0; i < 3; i++)
		is_refused(&askers[i], "reject", "no model");
	assert_int_equal(slow.loads, 1);
	is_refused(ask("/nowhere/model.onnx", 1, 0), "reject", "'/nowhere/model.onnx' is not there");
	end();
}

TEST(threads_the_model_unused_for_longest_makes_room_and_one_that_runs_stays)
{
	char paths[3][300];
	const size_t mib = 1 << 20;

	snprintf(paths[0], sizeof paths[0], "%s", model("double", mib));
	snprintf(paths[1], sizeof paths[1], "%s", model("fixed", mib));
	snprintf(paths[2], sizeof paths[2], "%s", model("mixed", mib));
	begin(2, 16, 2 * mib + 100);
	batch_of(ask(paths[0], 1, 0), 1, 0);
	batch_of(ask(paths[1], 1, 0), 1, 0);
	slow_engine_shut(&slow, true, false);
	ask(paths[0], 1, 1);
	slow_engine_await(&slow, 1);
	warm(paths[2]);                         /* in the place of the one that does not run */
	assert_int_equal(slow_engine_count(&slow, &slow.unloads), 1);
	slow_engine_shut(&slow, false, false);
	batch_of(&askers[2], 1, 1);
	batch_of(ask(paths[1], 1, 0), 1, 0);
	assert_int_equal(slow_engine_count(&slow, &slow.loads), 4);
	end();
}

TEST(threads_a_request_waits_when_all_of_the_budget_runs)
{
	char paths[2][300];
	const size_t mib = 1 << 20;

	snprintf(paths[0], sizeof paths[0], "%s", model("double", mib));
	snprintf(paths[1], sizeof paths[1], "%s", model("fixed", mib));
	begin(2, 16, mib + 100);
	slow_engine_shut(&slow, true, false);
	ask(paths[0], 1, 1);
	slow_engine_await(&slow, 1);
	ask(paths[1], 1, 2);
	slow_engine_shut(&slow, false, false);
	batch_of(&askers[0], 1, 1);
	batch_of(&askers[1], 1, 2);
	assert_int_equal(slow_engine_count(&slow, &slow.unloads), 1);
	is_refused(ask(model("mixed", 2 * mib), 1, 0), "reject", "has 2 MiB in its file");
	end();
}

TEST(threads_without_memory_idle_models_are_put_away_and_it_runs_again)
{
	char scarce[300];

	snprintf(scarce, sizeof scarce, "%s", model("scarce", 10));
	begin(1, 16, 0);
	warm(model("double", 10));
	batch_of(ask(scarce, 1, 3), 1, 3);
	assert_int_equal(runs(), 2);
	assert_int_equal(slow_engine_count(&slow, &slow.unloads), 1);
	end();
}

TEST(threads_what_is_called_off_while_it_waits_never_runs)
{
	const char *path = model("double", 10);

	begin(1, 16, 0);
	warm(path);
	slow_engine_shut(&slow, true, false);
	ask(path, 1, 0);
	slow_engine_await(&slow, 1);
	ask(path, 1, 1);
	ask(path, 1, 2);
	assert_true(leave(&askers[2]));
	slow_engine_shut(&slow, false, false);
	assert_int_equal(batch_of(&askers[3], 1, 2), 1);
	assert_int_equal(runs(), 2);
	assert_int_equal(slow_engine_count(&slow, &slow.stops), 0);
	end();
}

TEST(threads_a_run_is_stopped_when_the_last_who_waits_for_it_leaves)
{
	const char *path = model("double", 10);

	begin(1, 16, 0);
	warm(path);
	slow_engine_shut(&slow, true, false);
	ask(path, 1, 0);
	slow_engine_await(&slow, 1);
	ask(path, 1, 1);
	ask(path, 1, 2);
	assert_false(leave(&askers[1]));
	assert_int_equal(slow_engine_count(&slow, &slow.stops), 1);
	while (runs() < 2)
		clock_sleep_ms(1);
	slow_engine_await(&slow, 1);
	assert_false(leave(&askers[2]));
	assert_int_equal(slow_engine_count(&slow, &slow.stops), 1);
	slow_engine_shut(&slow, false, false);
	assert_int_equal(batch_of(&askers[3], 1, 2), 2);
	assert_string_equal(stuck, "");
	end();
}

TEST(threads_who_was_refused_out_of_a_batch_does_not_keep_its_run_alive)
{
	const char *path = model("double", 10);

	begin(1, 16, 0);
	warm(path);
	slow_engine_shut(&slow, true, false);
	ask(path, 1, 0);
	slow_engine_await(&slow, 1);
	ask(path, 1, 1);
	ask_with(path, 1, 2, json_pack("{s:{s:{s:{s:s, s:[i,i]}}}}", "declared", "inputs", "x", "datatype", "FP32", "shape", -1, 3));
	ask(path, 1, 3);
	assert_false(leave(&askers[1]));
	is_refused(&askers[3], "reject", "x");
	while (runs() < 2)
		clock_sleep_ms(1);
	assert_int_equal(slow.rows[1], 2);
	assert_false(leave(&askers[2]));
	assert_int_equal(slow_engine_count(&slow, &slow.stops), 1);
	assert_false(leave(&askers[4]));
	assert_int_equal(slow_engine_count(&slow, &slow.stops), 2);
	slow_engine_shut(&slow, false, false);
	end();
}

TEST(threads_a_file_that_changed_is_another_model)
{
	const char *path = model("double", 10);

	begin(1, 16, 0);
	batch_of(ask(path, 2, 0), 2, 0);
	model("double", 11);
	batch_of(ask(path, 2, 0), 2, 0);
	assert_int_equal(slow_engine_count(&slow, &slow.loads), 2);
	while (slow_engine_count(&slow, &slow.unloads) < 1)
		clock_sleep_ms(1);
	end();
}

TEST(threads_a_request_that_makes_room_may_be_called_off_meanwhile)
{
	char paths[3][300];
	const size_t mib = 1 << 20;

	snprintf(paths[0], sizeof paths[0], "%s", model("double", mib));
	snprintf(paths[1], sizeof paths[1], "%s", model("fixed", mib));
	snprintf(paths[2], sizeof paths[2], "%s", model("mixed", 2 * mib));
	begin(2, 16, 2 * mib + 100);
	warm(paths[0]);
	warm(paths[1]);
	slow_engine_shut(&slow, true, false);
	ask(paths[1], 1, 1);
	slow_engine_await(&slow, 1);
	slow_engine_shut_unloads(&slow, true);
	ask(paths[2], 1, 2);                    /* the idle one goes, and the one that runs is in the way */
	slow_engine_await(&slow, 2);
	assert_true(leave(&askers[3]));
	slow_engine_shut_unloads(&slow, false);
	slow_engine_shut(&slow, false, false);
	batch_of(&askers[2], 1, 1);
	end();
}

TEST(threads_who_waits_behind_one_that_is_called_off_does_not_wait_for_the_next_event)
{
	char paths[2][300];
	const size_t mib = 1 << 20;

	snprintf(paths[0], sizeof paths[0], "%s", model("double", mib));
	snprintf(paths[1], sizeof paths[1], "%s", model("fixed", mib));
	begin(2, 16, mib + 100);
	warm(paths[0]);
	slow_engine_shut(&slow, true, false);
	ask(paths[0], 1, 1);
	slow_engine_await(&slow, 1);
	ask(paths[1], 1, 2);                    /* no room, and nobody passes it */
	ask(paths[0], 1, 3);
	assert_true(leave(&askers[2]));
	slow_engine_await(&slow, 2);
	slow_engine_shut(&slow, false, false);
	batch_of(&askers[1], 1, 1);
	batch_of(&askers[3], 1, 3);
	end();
}
