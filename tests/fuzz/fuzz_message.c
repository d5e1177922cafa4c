/* A message of the photo queue (first byte p) or the text queue: a job, nothing to do, or problems; and its letter. */
#include "fuzz.h"

#include "gallery.h"
#include "origin.h"
#include "origin_letter.h"

#include <stdlib.h>
#include <string.h>

static struct conf conf;
static struct origins *origins;

static void done(void)
{
	origins_free(origins);
	conf_done(&conf);
}

static void set_up(void)
{
	static const char *const env[] = { "CLIP_MODELS=one=org/a,two=b", "CAPTION_ENABLED=1", "PIXELFLEET_MODELS_DIR=/nowhere", NULL };
	struct err err;

	must(conf_load(&conf, env, &err) == 0);
	origins = origins_new(&conf, &err);
	must(origins != NULL);
	atexit(done);
}

static void check_job(const struct submission *s)
{
	const char *step;
	json_t *params;

	must(s->items == 1 && json_array_size(s->images) <= 1);
	if (json_array_size(s->images))
		must(strncmp(json_string_value(json_array_get(s->images, 0)), GALLERY_UPLOAD, strlen(GALLERY_UPLOAD)) == 0);
	json_object_foreach(s->params, step, params) {
		scoped(json_decref_p) json_t *problems = json_array();
		int k = definition_find(s->definition, step);

		must(k >= 0);
		tool_check_params(s->definition->nodes[k].tool, params, "", problems);
		must(json_array_size(problems) == 0);
	}
}

static void check_letter(const uint8_t *data, size_t size)
{
	scoped(buf_free) struct buf letter = { 0 };
	scoped(json_decref_p) json_t *body = NULL;

	origin_letter_text((const char *)data, size, "why", &letter);
	body = json_loadb(letter.text, letter.len, 0, NULL);
	must(json_is_object(body) && strcmp(json_string_value(json_object_get(body, "error")), "why") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *problems = json_array();
	scoped(submission_free_p) struct submission *s = NULL;
	const char *list = size && *data == 'p' ? "photo_tasks" : "text_tasks";
	int rc;

	if (!origins)
		set_up();
	if (size)
		data++, size--;
	rc = origin_read(origins, origin_find(origins, list), (const char *)data, size, &s, problems);
	must((rc == 0) == (json_array_size(problems) == 0));
	must(rc == 0 || !s);
	fuzz_check_problems(problems);
	if (s)
		check_job(s);
	check_letter(data, size);
	return 0;
}
