/* What `pixelfleet models check` says of a model's tensors before there is a job. */
#include "model_run.h"
#include "model_wants.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

/* "FP32 1,3,640,640; INT64 -1,77": a tensor each. A name before the type is its own: "input_ids=INT64 -1,77". */
static void add_ports(json_t *to, const char *text)
{
	scoped(free_p) char *copy = xstrdup(text);
	char *rest = copy, *one;
	int number = 0;

	while ((one = strsep(&rest, ";"))) {
		json_t *shape = json_array();
		char *name = strchr(one, '=') ? strsep(&one, "=") : NULL, *type, *size;
		scoped(free_p) char *given = xasprintf("t%d", number++);

		name = name ? name + strspn(name, " ") : given;
		one += strspn(one, " ");
		type = strsep(&one, " ");
		while ((size = strsep(&one, ",")))
			json_array_append_new(shape, json_integer(atoll(size)));
		json_array_append_new(to, json_pack("{s:s, s:s, s:o}", "name", name, "datatype", type, "shape", shape));
	}
}

static struct signature of(const char *in, const char *out)
{
	scoped(json_decref_p) json_t *look = json_pack("{s:[], s:[]}", "inputs", "outputs");
	struct signature s;
	struct err err;

	add_ports(json_object_get(look, "inputs"), in);
	add_ports(json_object_get(look, "outputs"), out);
	assert_int_equal(model_signature(look, &s, &err), 0);
	return s;
}

#define NINE "FP32 -1,1;FP32 -1,1;FP32 -1,1;FP32 -1,4;FP32 -1,4;FP32 -1,4;FP32 -1,10;FP32 -1,10;FP32 -1,10"
#define PICTURE "FP32 -1,3,224,224"

static const struct fitting {
	const char *kind, *part, *in, *out, *card;
} fitting[] = {
	{ "clip", "image", PICTURE, "image_embeds=FP32 -1,512", "{\"dim\":512}" },
	{ "clip", "image", "UINT8 1,3,-1,-1", "FP16 -1,50,768; image_embeds=FP16 -1,512", "{\"size\":[300,200]}" },
	{ "clip", "text", "input_ids=INT64 -1,77", "FP32 -1,512", "{}" },
	{ "clip", "text", "input_ids=INT64 -1,-1; attention_mask=INT64 -1,-1", "FP32 -1,512; FP32 -1,77,512", "{}" },
	{ "caption", "encoder", "FP32 -1,3,384,384", "FP32 -1,577,768", "{}" },
	{ "caption", "decoder", "INT64 -1,-1; INT64 -1,-1; FP32 -1,577,768", "FP32 -1,-1,30524", "{}" },
	{ "faces", "detect", "FP32 1,3,-1,-1", NINE, "{}" },
	{ "faces", "embed", "FP32 -1,3,112,112", "FP32 -1,512", "{}" },
	{ "yolo", "", "FP32 1,3,640,640", "FP32 1,84,8400", "{}" },
	{ "yolo", "", "FP32 1,3,640,640", "FP32 1,25200,7", "{\"labels\":[\"a\",\"b\"]}" },
	{ "yolo", "", "FP32 1,3,640,640", "FP32 1,300,6", "{\"labels\":[\"a\"]}" },
	{ "yolo", "", "FP32 -1,3,-1,-1", "FP32 -1,-1,-1", "{\"labels\":[\"a\"]}" },
	{ "segment", "", "FP32 1,3,256,256", "FP32 1,4,256,256", "{\"labels\":[\"a\",\"b\",\"c\",\"d\"]}" },
	{ "segment", "", "FP32 1,3,256,256", "FP32 1,1,256,256", "{\"labels\":[\"background\",\"b\"]}" },
	{ "inpaint", "", "FP32 1,1,512,512; FP32 1,3,512,512", "FP32 1,3,512,512", "{}" },
	{ "other", "", "BYTES 7", "OTHER 7", "{}" },
	{ "face_embed", "", "BYTES 7", "OTHER 7", "{}" },
};

TEST(model_wants_nothing_else_of_the_models_that_tools_are_made_for)
{
	for (size_t i = 0; i < countof(fitting); i++) {
		const struct fitting *f = &fitting[i];
		scoped(json_decref_p) json_t *card = json_loads(f->card, 0, NULL);
		struct signature s = of(f->in, f->out);
		struct err err;

		if (model_fits(f->kind, f->part, &s, card, &err) < 0)
			fail_msg("%s/%s of %s: %s", f->kind, f->part, f->in, err.msg);
	}
}

static const struct refused {
	const char *kind, *part, *in, *out, *card, *says;
} refused[] = {
	{ "clip", "image", PICTURE "; " PICTURE, "FP32 -1,512", "{}", "clip_embed would refuse it: it takes 2 inputs" },
	{ "clip", "image", "input_ids=INT64 1,77; FP32 1,3,224,224", "FP32 1,512", "{}", "picture and text in one file" },
	{ "clip", "image", PICTURE, "FP32 -1,512", "{\"dim\":768}", "\"dim\": 768" },
	{ "clip", "image", PICTURE, "FP32 -1,512; FP32 -1,512", "{}", "wants 'image_embeds'" },
	{ "clip", "image", "FP32 -1,3,8,8", "FP32 -1,512", "{}", "16 to 2048 pixels a side" },
	{ "clip", "image", "FP32 2,3,224,224", "FP32 2,512", "{}", "[1,3,height,width]" },
	{ "clip", "image", PICTURE, "FP32 -1,512", "{\"size\":[224,336]}", "\"size\": [224,336]" },
	{ "clip", "text", "words=INT64 -1,77; masks=INT64 -1,77", "FP32 -1,512", "{}", "'input_ids'" },
	{ "clip", "text", "FP32 1,3,224,224", "FP32 -1,512", "{}", "text_embed gives numbers [1,length]" },
	{ "clip", "", PICTURE, "FP32 -1,512", "{}", "a model of kind \"clip\" has parts" },
	{ "caption", "encoder", "FP32 -1,3,384,384", "FP32 -1,768", "{}", "caption wants numbers [1,S,D]" },
	{ "caption", "decoder", "INT64 -1,-1; FP32 -1,577,768; past_key_values.0=FP32 -1,8,1,64", "FP32 -1,-1,9", "{}", "without a cache" },
	{ "caption", "decoder", "INT64 -1,-1", "FP32 -1,-1,9", "{}", "what the encoder gave" },
	{ "faces", "detect", "FP32 1,3,640,640", "FP32 -1,1", "{}", "gives 1 outputs" },
	{ "faces", "detect", "FP32 1,3,100,640", NINE, "{}", "multiples of 32" },
	{ "faces", "embed", "FP32 -1,3,224,224", "FP32 -1,512", "{}", "[N,3,112,112]" },
	{ "yolo", "", "FP32 1,3,640,640", "FP32 1,1000", "{}", "a YOLO model gives" },
	{ "yolo", "", "FP32 1,3,640,640", "FP32 1,84,8400", "{\"labels\":[\"a\"]}", "gives 80 classes, its model.json has 1 labels" },
	{ "segment", "", "FP32 1,3,256,256", "FP32 1,1000", "{}", "segment wants FP32 [1,classes,height,width]" },
	{ "segment", "", "FP32 1,3,256,256", "FP32 1,4,256,256", "{\"labels\":[\"a\",\"b\"]}", "gives 4 classes" },
	{ "inpaint", "", "FP32 1,3,512,512", "FP32 1,3,512,512", "{}", "takes 1 inputs" },
	{ "inpaint", "", "FP32 1,3,512,512; FP32 1,3,512,512", "FP32 1,3,512,512", "{}", "inpaint gives FP32 [1,3,height,width] and" },
};

TEST(model_that_a_tool_would_refuse_is_told_with_what_it_is_and_what_is_wanted)
{
	for (size_t i = 0; i < countof(refused); i++) {
		const struct refused *r = &refused[i];
		scoped(json_decref_p) json_t *card = json_loads(r->card, 0, NULL);
		struct signature s = of(r->in, r->out);
		struct err err = { 0 };

		if (model_fits(r->kind, r->part, &s, card, &err) == 0)
			fail_msg("%s/%s of %s gives %s fits", r->kind, r->part, r->in, r->out);
		assert_int_equal(err.kind, ERR_REJECT);
		if (!strstr(err.msg, r->says))
			fail_msg("'%s' does not say '%s'", err.msg, r->says);
	}
}

TEST(model_without_tensors_fits_nothing_and_breaks_nothing)
{
	scoped(json_decref_p) json_t *guesses = NULL;
	struct signature none = { 0 };

	guesses = model_guesses(&none);
	assert_int_equal(json_array_size(guesses), 0);
	for (size_t i = 0; i < countof(fitting); i++) {
		struct err err;
		int rc = model_fits(fitting[i].kind, fitting[i].part, &none, NULL, &err);

		assert_int_equal(rc, model_tool(fitting[i].kind, fitting[i].part) ? -1 : 0);
	}
}

TEST(model_of_no_kind_is_guessed_by_its_tensors)
{
	struct signature s = of("FP32 1,3,640,640", "FP32 1,84,8400");
	scoped(json_decref_p) json_t *guesses = model_guesses(&s);

	assert_string_equal(json_string_value(json_array_get(guesses, 0)), "kind caption, part encoder (tool caption)");
	assert_string_equal(json_string_value(json_array_get(guesses, 1)), "kind yolo (tool detect)");
}

TEST(model_answer_that_cannot_be_is_refused)
{
	static const char *const wrong[] = {
		"{\"inputs\":[{\"name\":\"a\",\"datatype\":\"FP31\",\"shape\":[1]}],\"outputs\":[]}",
		"{\"inputs\":[{\"name\":\"a\",\"shape\":[1]}],\"outputs\":[]}",
		"{\"inputs\":[3],\"outputs\":[]}",
		"{\"inputs\":[],\"outputs\":[{\"name\":\"a\",\"datatype\":\"FP32\",\"shape\":[1,1,1,1,1,1,1,1,1]}]}",
	};
	scoped(json_decref_p) json_t *many = json_pack("{s:[], s:[]}", "inputs", "outputs");
	struct signature s;
	struct err err;

	for (size_t i = 0; i < countof(wrong); i++) {
		scoped(json_decref_p) json_t *look = json_loads(wrong[i], 0, NULL);

		assert_non_null(look);
		assert_int_equal(model_signature(look, &s, &err), -1);
	}
	for (int i = 0; i < SIGNATURE_PORTS + 1; i++)
		add_ports(json_object_get(many, "outputs"), "FP32 1");
	assert_int_equal(model_signature(many, &s, &err), -1);
	assert_non_null(strstr(err.msg, "33 tensors"));
}
