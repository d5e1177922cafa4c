/* test_inference.c - who is charged, who runs again, who waits. The process is a FAKE: tests/integration/fake_infer.py. */
#include "clock.h"
#include "inference.h"
#include "sync.h"
#include "test.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAKE "tests/integration/fake_infer.py"

struct stage {
	struct conf conf;
	struct inference *inference;
	char program[PATH_MAX];
};

/* `name`: what the fake is started as. */
static void stage_open(struct stage *s, const char *name)
{
	scoped(free_p) char *dir = xasprintf("PIXELFLEET_MODELS_DIR=%s", test_dir());
	const char *env[] = { dir, "PIXELFLEET_BATCH_MAX=4", NULL };
	char fake[PATH_MAX];
	struct err err;

	assert_int_equal(conf_load(&s->conf, env, &err), 0);
	assert_non_null(realpath(FAKE, fake));
	snprintf(s->program, sizeof s->program, "%s", test_path(name));
	assert_int_equal(symlink(fake, s->program), 0);
	s->inference = inference_new(&s->conf, 3, s->program);
}

static void stage_close(struct stage *s)
{
	inference_free(s->inference);
	conf_done(&s->conf);
}

static void make_file(const char *name, const char *text)
{
	FILE *f = fopen(test_path(name), "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A model that does what `text` says: fake_infer.py knows the words. */
static void make_model(const char *model, const char *text)
{
	char name[NAME_MAX];

	mkdir(test_path(model), 0777);
	snprintf(name, sizeof name, "%s/model.onnx", model);
	make_file(name, text);
}

static unsigned lines(const char *file)
{
	FILE *f = fopen(test_path(file), "re");
	unsigned n = 0;

	for (int c; f && (c = fgetc(f)) != EOF;)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

static pid_t last_pid(void)
{
	FILE *f = fopen(test_path("starts"), "re");
	int pid = 0;

	assert_non_null(f);
	while (fscanf(f, "%d", &pid) == 1)
		;
	fclose(f);
	assert_true(pid > 1);
	return pid;
}

/* One slot's request, in a thread of its own when start() begins it. */
struct request {
	struct stage *stage;
	const char *model;
	unsigned timeout_ms;
	bool stop;
	int wake_fd;
	struct inference_seat seat;
	pthread_t thread;
	/* What became of it: */
	int rc, signal, loadings, turns;
	int64_t moved_ms, took_ms;
	struct err err;
};

static void on_loading(void *arg, const char *name, int64_t bytes)
{
	struct request *r = arg;

	must(strcmp(name, r->model) == 0 && bytes == 3 << 20);
	r->loadings++;
}

static void on_deadline(void *arg, int64_t deadline_ms)
{
	struct request *r = arg;

	r->turns += deadline_ms == 0;
}

static int check_echo(const json_t *answer, int fd)
{
	const json_t *o = json_array_get(json_object_get(answer, "outputs"), 0);
	char bytes[9] = "";

	return json_integer_value(json_object_get(o, "bytes")) == 8 && pread(fd, bytes, 8, 0) == 8 && strcmp(bytes, "abcdefgh") == 0 ? 0 : -2;
}

static void *perform(void *arg)
{
	struct request *r = arg;
	struct card card = { 0 };
	scoped(json_decref_p) json_t *ask = json_loads("{\"inputs\":[{\"name\":\"x\",\"datatype\":\"FP32\",\"shape\":[1,2],\"bytes\":8}],"
		"\"outputs\":[\"y\"]}", 0, NULL);
	scoped(json_decref_p) json_t *answer = NULL;
	scoped(close_p) int fd = memfd_create("in", MFD_CLOEXEC), out = -1;
	int64_t began_ms = clock_mono_ms(), deadline_ms = began_ms + (r->timeout_ms ? r->timeout_ms : 60000);
	struct inference_call call = { .card = &card, .stop = &r->stop, .wake_fd = r->wake_fd, .deadline_ms = deadline_ms,
		.on_deadline = on_deadline, .on_loading = on_loading, .arg = r };

	must(write(fd, "abcdefgh", 8) == 8);
	r->rc = card_find(test_dir(), r->model, "", &card, &r->err);
	if (r->rc == 0)
		r->rc = inference_infer(&r->seat, &call, ask, fd, &answer, &out, &r->err);
	if (r->rc == 0)
		r->rc = check_echo(answer, out);
	r->signal = call.signal;
	r->moved_ms = call.deadline_ms - deadline_ms;
	r->took_ms = clock_mono_ms() - began_ms;
	card_done(&card);
	return NULL;
}

static void request_init(struct request *r, struct stage *s, const char *model)
{
	*r = (struct request){ .stage = s, .model = model, .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	inference_seat_init(&r->seat, s->inference);
}

static void request_done(struct request *r)
{
	inference_seat_done(&r->seat);
	close(r->wake_fd);
}

static void start(struct request *r)
{
	must(pthread_create(&r->thread, NULL, perform, r) == 0);
}

static void join(struct request *r)
{
	must(pthread_join(r->thread, NULL) == 0);
}

static void wait_lines(const char *file, unsigned n)
{
	for (int i = 0; lines(file) < n; i++) {
		assert_true(i < 2000);
		clock_sleep_ms(10);
	}
}

/* Until the process has had so many requests. */
static void wait_requests(unsigned n)
{
	wait_lines("requests", n);
}

static void succeeds(struct stage *s, const char *model)
{
	struct request r;

	request_init(&r, s, model);
	perform(&r);
	if (r.rc != 0)
		fail_msg("'%s': %s", model, r.err.msg);
	request_done(&r);
}

static void fails(struct stage *s, const char *model, enum err_kind kind, int signal, const char *says)
{
	struct request r;

	request_init(&r, s, model);
	perform(&r);
	assert_int_equal(r.rc, -1);
	assert_int_equal(r.err.kind, kind);
	assert_int_equal(r.signal, signal);
	if (!strstr(r.err.msg, says))
		fail_msg("'%s' does not say '%s'", r.err.msg, says);
	request_done(&r);
}

TEST(inference_process_is_started_when_it_is_needed_and_ended_with_its_owner)
{
	struct stage s;
	scoped(buf_free) struct buf beat = { 0 };
	pid_t pid;

	stage_open(&s, "infer");
	make_model("m", "ok");
	inference_write(s.inference, &beat);
	assert_int_equal(beat.len, 0);
	assert_int_equal(lines("starts"), 0);
	succeeds(&s, "m");
	succeeds(&s, "m");
	assert_int_equal(lines("starts"), 1);
	pid = last_pid();
	inference_write(s.inference, &beat);
	assert_string_equal(beat.text, ",\"device\":\"cpu\",\"models\":[\"m\"]");
	stage_close(&s);
	assert_int_equal(kill(pid, 0), -1);
}

TEST(inference_describes_a_model)
{
	struct stage s;
	struct card card;
	struct inference_seat seat;
	struct inference_call call = { .card = &card, .wake_fd = -1, .deadline_ms = clock_mono_ms() + 60000 };
	json_t *answer = NULL;
	struct err err;

	stage_open(&s, "infer");
	make_model("m", "ok");
	inference_seat_init(&seat, s.inference);
	assert_int_equal(card_find(test_dir(), "m", "", &card, &err), 0);
	assert_int_equal(inference_describe(&seat, &call, &answer, &err), 0);
	assert_string_equal(json_string_value(json_object_get(answer, "device")), "cpu");
	assert_int_equal(json_array_size(json_object_get(json_object_get(answer, "model"), "inputs")), 1);
	json_decref(answer);
	card_done(&card);
	inference_seat_done(&seat);
	stage_close(&s);
}

TEST(inference_tells_who_waits_that_a_model_is_loaded)
{
	struct stage s;
	struct request r;

	stage_open(&s, "infer");
	make_model("big", "load 20");
	request_init(&r, &s, "big");
	perform(&r);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.loadings, 1);
	perform(&r);
	assert_int_equal(r.loadings, 1);
	request_done(&r);
	stage_close(&s);
}

TEST(inference_death_of_a_request_that_is_alone_is_its_error_with_the_signal)
{
	struct stage s;

	stage_open(&s, "infer");
	make_model("m", "ok");
	make_model("poison", "die");
	make_model("words", "words it ate too much");
	fails(&s, "poison", ERR_RETRY, SIGKILL, "model 'poison': the inference process was lost: killed by SIGKILL, peak memory");
	succeeds(&s, "m");
	fails(&s, "words", ERR_RETRY, SIGABRT, "was stopped: it ate too much (killed by SIGABRT");
	succeeds(&s, "m");
	assert_int_equal(lines("starts"), 3);
	stage_close(&s);
}

TEST(threads_inference_death_charges_nobody_but_the_one_that_dies_alone)
{
	struct stage s;
	struct request r[3];

	stage_open(&s, "infer");
	make_model("slow", "until go");
	make_model("poison", "die");
	make_model("ok", "ok");
	succeeds(&s, "ok");
	for (size_t i = 0; i < 2; i++) {
		request_init(&r[i], &s, "slow");
		start(&r[i]);
	}
	wait_requests(3);
	request_init(&r[2], &s, "poison");
	start(&r[2]);
	wait_lines("starts", 2);
	make_file("go", "");
	for (size_t i = 0; i < 3; i++)
		join(&r[i]);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(r[i].rc, 0);
		assert_int_equal(r[i].signal, 0);
		assert_true(r[i].turns > 0 && r[i].moved_ms > 0);
	}
	assert_int_equal(r[2].rc, -1);
	assert_int_equal(r[2].signal, SIGKILL);
	assert_int_equal(lines("requests"), 1 + 3 + 3);
	succeeds(&s, "ok");
	assert_int_equal(lines("starts"), 3);
	for (size_t i = 0; i < 3; i++)
		request_done(&r[i]);
	stage_close(&s);
}

static void is_given_up(const char *what)
{
	struct stage s;
	struct request r;

	stage_open(&s, "infer");
	make_model("ok", "ok");
	succeeds(&s, "ok");
	make_model("m", what);
	request_init(&r, &s, "m");
	r.timeout_ms = 200;
	perform(&r);
	assert_true(r.rc == -1 && r.err.kind == ERR_RETRY && strstr(r.err.msg, "not done when the step's time was over"));
	assert_true(r.took_ms >= 200 && r.took_ms < 5000 && r.moved_ms == 0);
	make_model("m", "ok");
	r.timeout_ms = 0;
	perform(&r);
	assert_true(r.rc == 0 && lines("starts") == 1);
	request_done(&r);
	stage_close(&s);
}

TEST(inference_that_is_late_is_given_up_and_the_next_one_is_done)
{
	is_given_up("hang");
}

TEST(inference_answer_that_drips_is_late)
{
	is_given_up("drips");
}

TEST(inference_process_that_says_again_and_again_that_it_loads_is_killed)
{
	struct stage s;
	struct request r;

	stage_open(&s, "infer");
	make_model("m", "floods");
	request_init(&r, &s, "m");
	perform(&r);
	assert_true(r.rc == -1 && r.err.kind == ERR_RETRY && strstr(r.err.msg, "more than 3 times that it loads") && r.loadings == 3);
	request_done(&r);
	make_model("m", "ok");
	succeeds(&s, "m");
	assert_int_equal(lines("starts"), 2);
	stage_close(&s);
}

static void is_cancelled_at_once(const char *what, unsigned noted)
{
	struct stage s;
	struct request r;
	uint64_t one = 1;
	int64_t began_ms;

	stage_open(&s, "infer");
	make_model("m", what);
	request_init(&r, &s, "m");
	start(&r);
	wait_requests(noted);
	began_ms = clock_mono_ms();
	poke(&r.stop, true);
	must(write(r.wake_fd, &one, sizeof one) == sizeof one);
	join(&r);
	assert_true(r.rc == -1 && r.err.kind == ERR_CANCEL && clock_mono_ms() - began_ms < 2000);
	request_done(&r);
	stage_close(&s);
}

TEST(threads_inference_is_cancelled_at_once)
{
	is_cancelled_at_once("hang", 1);
}

TEST(threads_inference_is_cancelled_in_the_middle_of_an_answer)
{
	is_cancelled_at_once("drips", 2);
}

/* The process ends itself over what does not stop, with an innocent request in it. */
TEST(threads_inference_of_others_survives_one_that_was_given_up)
{
	struct stage s;
	struct request late, other;

	stage_open(&s, "infer");
	make_model("stuck", "stuck");
	make_model("slow", "until go");
	request_init(&other, &s, "slow");
	start(&other);
	wait_requests(1);
	request_init(&late, &s, "stuck");
	late.timeout_ms = 100;
	perform(&late);
	assert_int_equal(late.rc, -1);
	assert_int_equal(late.signal, 0);
	wait_lines("starts", 2);
	make_file("go", "");
	join(&other);
	if (other.rc != 0)
		fail_msg("%s", other.err.msg);
	assert_int_equal(lines("starts"), 2);
	request_done(&late);
	request_done(&other);
	stage_close(&s);
}

TEST(inference_process_that_leaves_three_without_an_answer_is_killed)
{
	struct stage s;
	struct request r;
	pid_t pid;

	stage_open(&s, "infer");
	make_model("m", "ok");
	succeeds(&s, "m");
	pid = last_pid();
	make_model("m", "hang");
	request_init(&r, &s, "m");
	r.timeout_ms = 60;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kill(pid, 0), 0);
		perform(&r);
		assert_int_equal(r.rc, -1);
	}
	for (int i = 0; kill(pid, 0) == 0; i++) {
		assert_true(i < 1000);
		clock_sleep_ms(5);
	}
	make_model("m", "ok");
	r.timeout_ms = 0;
	perform(&r);
	assert_int_equal(r.rc, 0);
	request_done(&r);
	stage_close(&s);
}

TEST(inference_errors_of_a_model_are_the_steps_and_the_process_lives_on)
{
	struct stage s;

	stage_open(&s, "infer");
	make_model("m", "reject input x has 3 dimensions");
	fails(&s, "m", ERR_REJECT, 0, "model 'm': input x has 3 dimensions");
	make_model("m", "garbage");
	fails(&s, "m", ERR_RETRY, 0, "model 'm': the inference process is not understood");
	make_model("m", "ok");
	succeeds(&s, "m");
	assert_int_equal(lines("starts"), 1);
	stage_close(&s);
}

TEST(inference_process_that_is_killed_while_idle_is_nobodys_error)
{
	struct stage s;
	struct request r;

	stage_open(&s, "infer");
	make_model("m", "ok");
	request_init(&r, &s, "m");
	for (unsigned i = 1; i <= 3; i++) {
		perform(&r);
		assert_int_equal(r.rc, 0);
		assert_int_equal(lines("starts"), i);
		assert_int_equal(kill(last_pid(), SIGKILL), 0);
		clock_sleep_ms(50);     /* not needed for success: with less, the request may be the one that it dies with */
	}
	request_done(&r);
	stage_close(&s);
}

TEST(inference_without_the_program_is_rejected_with_its_name)
{
	struct stage s;

	stage_open(&s, "infer");
	make_model("m", "ok");
	inference_free(s.inference);
	unlink(s.program);
	s.inference = inference_new(&s.conf, 1, s.program);
	fails(&s, "m", ERR_REJECT, 0, "models cannot be run in this worker (backend 'onnx'): the program");
	stage_close(&s);
}

TEST(inference_without_the_library_is_rejected_and_not_tried_each_time)
{
	struct stage s;

	stage_open(&s, "no-library");
	make_model("m", "ok");
	for (int i = 0; i < 5; i++)
		fails(&s, "m", ERR_REJECT, 0, "libonnxruntime.so.1 is not installed");
	assert_int_equal(lines("starts"), 1);
	stage_close(&s);
}

TEST(inference_process_that_dies_at_its_start_is_tried_three_times)
{
	struct stage s;

	stage_open(&s, "dies-at-start");
	make_model("m", "ok");
	fails(&s, "m", ERR_RETRY, 0, "left with exit status 7");
	assert_int_equal(lines("starts"), 3);
	stage_close(&s);
}

TEST(inference_process_that_dies_before_its_first_request_does_not_hold_the_step_for_ever)
{
	struct stage s;

	stage_open(&s, "dies-after-setup");
	make_model("m", "ok");
	fails(&s, "m", ERR_RETRY, 0, "exit status 8");
	assert_in_range(lines("starts"), 1, 3);
	stage_close(&s);
}

TEST(inference_process_that_never_ends_a_message_is_used_and_left_all_the_same)
{
	struct stage s;
	int64_t began_ms;

	stage_open(&s, "mumbles");
	make_model("m", "ok");
	succeeds(&s, "m");
	succeeds(&s, "m");
	began_ms = clock_mono_ms();
	stage_close(&s);
	assert_true(clock_mono_ms() - began_ms < 8000);
}

TEST(inference_question_of_a_million_values_does_not_reach_the_process)
{
	scoped(json_decref_p) json_t *ask = json_pack("{s:[], s:[]}", "inputs", "outputs"), *answer = NULL;
	struct card card = { 0 };
	struct inference_call call = { .card = &card, .wake_fd = -1, .deadline_ms = clock_mono_ms() + 60000 };
	struct inference_seat seat;
	struct stage s;
	struct err err;
	int fd = -1;

	stage_open(&s, "infer");
	make_model("m", "ok");
	inference_seat_init(&seat, s.inference);
	assert_int_equal(card_find(test_dir(), "m", "", &card, &err), 0);
	for (int i = 0; i < 1000000; i++)
		json_array_append_new(json_object_get(ask, "inputs"), json_integer(0));
	assert_int_equal(inference_infer(&seat, &call, ask, -1, &answer, &fd, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_string_equal(err.msg, "model 'm': what is said of its tensors has 2000003 bytes, at most 262144 are allowed");
	assert_int_equal(lines("starts"), 0);
	card_done(&card);
	inference_seat_done(&seat);
	stage_close(&s);
}

TEST(inference_setup_has_the_settings)
{
	struct stage s;
	scoped(json_decref_p) json_t *setup = NULL;

	stage_open(&s, "infer");
	make_model("m", "ok");
	succeeds(&s, "m");
	setup = json_load_file(test_path("setup"), 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(setup, "batch_max")), 4);
	assert_int_equal(json_integer_value(json_object_get(setup, "intra_op")), 1);
	assert_in_range(json_integer_value(json_object_get(setup, "callers")), 1, 3);
	assert_true(json_integer_value(json_object_get(setup, "models_mb")) > 0);
	assert_string_equal(json_string_value(json_object_get(setup, "device")), "auto");
	stage_close(&s);
}
