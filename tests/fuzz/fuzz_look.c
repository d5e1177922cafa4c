/* What pixelfleet-infer says of a stranger's model: {"inputs","outputs","card","declared"}. It is refused, or judged without harm. */
#include "fuzz.h"

#include "model_run.h"
#include "model_wants.h"

#include <string.h>

static const char *const kinds[][2] = { { "clip", "image" }, { "clip", "text" }, { "caption", "encoder" }, { "caption", "decoder" },
	{ "faces", "detect" }, { "faces", "embed" }, { "yolo", "" }, { "segment", "" }, { "inpaint", "" }, { "other", "" }, { "clip", "" } };

static void check(const struct signature *s, const json_t *look)
{
	scoped(json_decref_p) json_t *guesses = model_guesses(s);
	struct err err = { 0 };

	must(json_array_size(guesses) <= countof(kinds));
	if (signature_check(s, json_object_get(look, "declared"), &err) < 0)
		must(err.kind == ERR_REJECT && *err.msg);
	for (size_t i = 0; i < countof(kinds); i++) {
		err = (struct err){ 0 };
		if (model_fits(kinds[i][0], kinds[i][1], s, json_object_get(look, "card"), &err) < 0)
			must(err.kind == ERR_REJECT && strstr(err.msg, "would refuse it"));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *look = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	struct signature s;
	struct err err = { 0 };

	if (model_signature(look, &s, &err) < 0)
		must(err.kind == ERR_REJECT && *err.msg);
	else
		check(&s, look);
	return 0;
}
