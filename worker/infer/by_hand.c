#include "by_hand.h"

#include "bench.h"
#include "clock.h"
#include "conf.h"
#include "meter.h"
#include "ort.h"
#include "sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct subject {
	struct ort *ort;
	struct engine *engine;
	void *model;
	struct signature *signature;
	unsigned load_ms;
	size_t grown;
};

static void subject_done(struct subject *s)
{
	if (s->model)
		s->engine->unload(s->engine, s->model);
	free(s->signature);
	ort_close(s->ort);
}

/* The real place of the file; what lies beside it (external data) can be read as well. */
static int find_file(const char *file, char path[PATH_MAX], struct err *err)
{
	char dir[PATH_MAX];
	struct stat st;

	if (!realpath(file, path))
		return err_set(err, ERR_REJECT, "'%.300s': %s", file, strerror(errno));
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, ERR_REJECT, "'%.300s' is no file", file);
	snprintf(dir, sizeof dir, "%s", path);
	*strrchr(dir, '/') = '\0';
	setenv("PIXELFLEET_MODELS_DIR", *dir ? dir : "/", 1);
	return 0;
}

static int prepare(const struct conf *conf, struct subject *s, bool *ret_missing, struct err *err)
{
	const struct ort_options options = { conf->onnxruntime, conf->device, conf->intra_op_threads };
	struct sandbox_state state;
	struct sandbox box = { .files = 256, .file_mb = 1, .opens_files = true };

	meter_open();
	*ret_missing = ort_open(&options, &s->ort, err) < 0;
	if (*ret_missing)
		return -1;
	box.gpu = strcmp(ort_device(s->ort), "cuda") == 0;
	box.memory_mb = box.gpu ? 0 : conf->infer_memory_mb;
	s->engine = ort_engine(s->ort);
	return sandbox_enter(&box, &state, err);
}

static int load(struct subject *s, const char *path, struct err *err)
{
	size_t before = meter_rss(), after;
	int64_t began = clock_mono_ms();

	s->signature = xcalloc(1, sizeof *s->signature);
	if (s->engine->load(s->engine, path, &s->model, s->signature, err) < 0)
		return -1;
	s->load_ms = (unsigned)(clock_mono_ms() - began);
	after = meter_rss();
	s->grown = after > before ? after - before : 0;
	return 0;
}

static json_t *describe(const struct subject *s, const char *file)
{
	json_t *j = signature_json(s->signature);

	json_object_set_new(j, "file", json_string(file));
	json_object_set_new(j, "batches", json_boolean(signature_batches(s->signature)));
	json_object_set_new(j, "device", json_string(ort_device(s->ort)));
	json_object_set_new(j, "onnxruntime", json_string(ort_version(s->ort)));
	json_object_set_new(j, "load_ms", json_integer(s->load_ms));
	json_object_set_new(j, "memory_mb", json_integer((json_int_t)((s->grown + (1 << 20) - 1) >> 20)));
	if (*ort_note(s->ort))
		json_object_set_new(j, "note", json_string(ort_note(s->ort)));
	return j;
}

static int look(const struct by_hand *what, const struct conf *conf, const char *path, bool *ret_missing, json_t **ret,
	struct err *err)
{
	scoped(subject_done) struct subject s = { 0 };
	scoped(json_decref_p) json_t *j = NULL;

	if (prepare(conf, &s, ret_missing, err) < 0 || load(&s, path, err) < 0)
		return -1;
	j = describe(&s, what->file);
	if (what->is_bench) {
		const struct bench b = { s.engine, s.model, s.signature, what->callers, what->seconds, what->batch };

		if (bench_run(&b, j, err) < 0)
			return err_wrap(err, "'%.300s'", what->file);
	}
	json_object_set_new(j, "peak_mb", json_integer((json_int_t)(meter_peak() >> 20)));
	*ret = steal(&j);
	return 0;
}

int by_hand(const struct by_hand *what, bool *ret_missing, struct err *err)
{
	scoped(conf_done) struct conf conf = { 0 };
	scoped(json_decref_p) json_t *j = NULL;
	scoped(buf_free) struct buf line = { 0 };
	char path[PATH_MAX];

	*ret_missing = false;
	if (find_file(what->file, path, err) < 0 || conf_load(&conf, (const char *const *)environ, err) < 0 ||
	    look(what, &conf, path, ret_missing, &j, err) < 0)
		return -1;
	buf_json(&line, j);
	puts(line.text);
	return 0;
}
