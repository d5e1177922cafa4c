#include "card.h"
#include "test.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int read_card(const char *text, json_t **ret, struct err *err)
{
	FILE *f;

	mkdir(test_path("m"), 0777);
	f = fopen(test_path("m/model.json"), "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return card_read(test_dir(), "m", ret, err);
}

TEST(card_gives_what_people_say_of_a_model)
{
	json_t *card = NULL;
	struct err err;

	assert_int_equal(read_card("{\"labels\":[\"cat\",\"dog\"],\"size\":[320,256],\"more\":{}}", &card, &err), 0);
	assert_string_equal(json_string_value(json_array_get(json_object_get(card, "labels"), 1)), "dog");
	json_decref(card);
}

TEST(card_that_is_not_there_is_empty)
{
	json_t *card = NULL;
	struct err err;

	assert_int_equal(card_read(test_dir(), "nothing", &card, &err), 0);
	assert_int_equal(json_object_size(card), 0);
	json_decref(card);
}

TEST(card_that_is_wrong_names_the_file)
{
	static const char *const wrong[] = { "", "[]", "{\"labels\":{}}", "{\"labels\":[1]}", "{" };

	for (size_t i = 0; i < countof(wrong); i++) {
		json_t *card = NULL;
		struct err err;

		assert_int_equal(read_card(wrong[i], &card, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_non_null(strstr(err.msg, "m/model.json"));
	}
}

TEST(card_that_is_no_file_is_refused_at_once)
{
	json_t *card = NULL;
	struct err err;

	mkdir(test_path("m"), 0777);
	assert_int_equal(mkfifo(test_path("m/model.json"), 0666), 0);
	assert_int_equal(card_read(test_dir(), "m", &card, &err), -1);
	assert_non_null(strstr(err.msg, "no file"));
}
