#include "submission_key.h"

#include <stdlib.h>

#define MEMBER(word) { word, sizeof(word) - 1 }
static const struct span definition_members[] = { MEMBER("name"), MEMBER("version"), MEMBER("description"), MEMBER("on_failure"),
	MEMBER("steps"), MEMBER("components") };

void submission_key_done(struct submission_key *k)
{
	buf_free(&k->made);
}

static bool is_of_definition(struct span name)
{
	for (size_t i = 0; i < countof(definition_members); i++)
		if (span_is(name, definition_members[i].at, definition_members[i].len))
			return true;
	return false;
}

/* In the order in which they stand there: the same members otherwise are another key. */
static void make_key(struct submission_key *k, struct span callback)
{
	const struct outline *o = &k->outline;

	for (size_t i = 0; i < o->n; i++) {
		if (!k->out[i])
			continue;
		buf_add(&k->made, o->members[i].name.at, o->members[i].name.len);
		buf_add(&k->made, ":", 1);
		buf_add(&k->made, o->members[i].value.at, o->members[i].value.len);
		buf_add(&k->made, "", 1);
	}
	buf_add(&k->made, callback.at, callback.len);
	k->key = (struct span){ k->made.text, k->made.len };
}

void submission_key_find(struct submission_key *k, const char *text, size_t len)
{
	const struct outline *o = &k->outline;
	struct span callback = { "", 0 }, pipeline = { NULL, 0 };
	bool own = false;

	if (outline_read(text, len, &k->outline) < 0)
		return;
	for (size_t i = 0; i < o->n; i++) {
		struct span name = o->members[i].name;

		if (SPAN_IS(name, "pipeline"))
			pipeline = o->members[i].value;
		else if (SPAN_IS(name, "callback_url"))
			callback = o->members[i].value;
		else if (SPAN_IS(name, "steps") || SPAN_IS(name, "components"))
			own = true;
	}
	if (own == (pipeline.at != NULL) || (pipeline.at && *pipeline.at != '{'))
		return;
	for (size_t i = 0; i < o->n; i++)
		k->out[i] = own ? is_of_definition(o->members[i].name) : SPAN_IS(o->members[i].name, "pipeline");
	if (own || callback.len)
		make_key(k, callback);
	else
		k->key = pipeline;
}

json_t *submission_key_texts(const struct submission_key *k, const json_t *body)
{
	json_t *texts = json_object();

	for (size_t i = 0; i < k->outline.n; i++) {
		scoped(free_p) char *name = NULL, *text = NULL;

		if (!k->out[i])
			continue;
		name = xstrndup(k->outline.members[i].name.at, k->outline.members[i].name.len);
		text = json_dumps(json_object_get(body, name), SUBMISSION_TEXT_FLAGS);
		must(text != NULL);
		json_object_set_new(texts, name, json_string(text));
	}
	return texts;
}
