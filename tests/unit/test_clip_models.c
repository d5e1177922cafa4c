#include "clip_models.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static char list[200], zh[] = "zh", chinese[] = "org/chinese", nowhere[] = "/nonexistent";
static const struct conf conf = { .clip_models = list, .default_model = zh, .clip_model_name = chinese, .models_dir = nowhere };

static int read(const char *text, struct clip_models *ret, struct err *err)
{
	snprintf(list, sizeof list, "%s", text);
	return clip_models_read(&conf, ret, err);
}

TEST(clip_models_are_read_with_their_labels_in_order)
{
	struct clip_models m;
	struct err err;

	assert_int_equal(read(" clip14 = openai/clip-vit-large-patch14 ,laion=laion/H14,", &m, &err), 0);
	assert_int_equal(m.n, 2);
	assert_string_equal(m.list[0].label, "clip14");
	assert_string_equal(m.list[0].name, "openai/clip-vit-large-patch14");
	assert_string_equal(clip_models_find(&conf, &m, "laion"), "laion/H14");
	assert_string_equal(clip_models_find(&conf, &m, "nobody"), "org/chinese");
	assert_string_equal(clip_models_find(&conf, &m, NULL), "org/chinese");
	clip_models_free(&m);
	assert_int_equal(read("a=b,zh=other/chinese", &m, &err), 0);
	assert_string_equal(clip_models_find(&conf, &m, "nobody"), "other/chinese");
	assert_string_equal(clip_models_find(&conf, &m, NULL), "other/chinese");
	clip_models_free(&m);
}

TEST(clip_models_are_the_default_one_when_none_is_listed)
{
	struct clip_models m;
	struct err err;

	assert_int_equal(read(" ", &m, &err), 0);
	assert_int_equal(m.n, 1);
	assert_string_equal(m.list[0].label, "zh");
	assert_string_equal(m.list[0].name, "org/chinese");
	clip_models_free(&m);
}

TEST(clip_models_that_make_no_sense_are_refused)
{
	static const struct { const char *text, *says; } row[] = {
		{ "clip14", "'clip14' is not label=model" }, { "a=b,=c", "'=c' is not" }, { "a=", "'a=' is not" }, { "a=b,a=c", "'a' is there twice" },
	};

	for (size_t i = 0; i < countof(row); i++) {
		struct clip_models m;
		struct err err;

		assert_int_equal(read(row[i].text, &m, &err), -1);
		if (!strstr(err.msg, row[i].says))
			fail_msg("%s: %s", row[i].text, err.msg);
	}
}
