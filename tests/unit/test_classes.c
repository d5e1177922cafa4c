/* test_classes.c - scores of classes, as numbers and as Triton writes them. */
#include "classes.h"
#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A tensor of BYTES with these elements; the list ends in NULL. */
static struct tensor texts(const char *const *list, unsigned char to[512])
{
	struct tensor t = { .is = { .name = "o", .datatype = "BYTES" }, .bytes = to };

	for (; *list; list++) {
		uint32_t n = (uint32_t)strlen(*list);

		memcpy(to + t.size, &n, sizeof n);
		memcpy(to + t.size + sizeof n, *list, n);
		t.size += sizeof n + n;
	}
	return t;
}

TEST(classes_are_read_with_and_without_labels)
{
	static const char *const said[] = { "0.812500:7:cat", "-3.250000:0", "1e-05:999:tench, Tinca tinca: a fish", "2:3:", NULL };
	unsigned char bytes[512];
	struct tensor t = texts(said, bytes);
	struct class_score *list = NULL;
	struct err err;
	size_t n = 0;

	assert_int_equal(classes_of_texts(&t, &list, &n, &err), 0);
	assert_int_equal(n, 4);
	assert_true(list[0].score == 0.8125 && list[0].index == 7 && list[0].label_len == 3 && memcmp(list[0].label, "cat", 3) == 0);
	assert_true(list[1].score == -3.25 && list[1].index == 0 && !list[1].label);
	assert_true(list[2].index == 999 && list[2].label_len == strlen("tench, Tinca tinca: a fish"));
	assert_true(list[3].index == 3 && list[3].label && list[3].label_len == 0);
	free(list);
}

TEST(classes_that_are_none_are_errors)
{
	static const char *const bad[] = { "", "0.5", "0.5:", "0.5:x", "0.5:-1", "0.5: 1", " 0.5:1", ":1", "nan:1", "inf:1", "1e999:1", "0.5:1x",
		"0.5:99999999999999999999999", "0.5;1:cat" };
	static const char garbage[] = "\xff\xff\xff\x7f" "0.5:1", longer[] = "\5\0\0\0" "0.5:1" "\1\0\0";
	unsigned char bytes[512];
	struct class_score *list = NULL;
	struct err err;
	size_t n;

	for (size_t i = 0; i < countof(bad); i++) {
		struct tensor t = texts((const char *const[]){ "0.5:1", bad[i], NULL }, bytes);

		if (classes_of_texts(&t, &list, &n, &err) == 0)
			fail_msg("'%s' was read", bad[i]);
		assert_int_equal(err.kind, ERR_RETRY);
		assert_non_null(strstr(err.msg, "class 1 of 'o'"));
	}
	for (int i = 0; i < 3; i++) {
		struct tensor t = { .is = { .name = "o", .datatype = "BYTES" }, .bytes = (void *)(uintptr_t)(i == 0 ? garbage : longer),
			.size = i == 0 ? sizeof garbage - 1 : i == 1 ? sizeof longer - 1 : 0 };

		assert_int_equal(classes_of_texts(&t, &list, &n, &err), -1);
		assert_non_null(strstr(err.msg, "no list of texts"));
	}
	{
		struct tensor t = { .is = { .name = "o", .datatype = "FP32" }, .bytes = bytes, .size = 4 };

		assert_int_equal(classes_of_texts(&t, &list, &n, &err), -1);
		assert_non_null(strstr(err.msg, "came as FP32"));
	}
	assert_null(list);
}

TEST(classes_text_of_any_length_is_read_from_its_beginning)
{
	struct tensor t = { .is = { .name = "o", .datatype = "BYTES" }, .size = 5004 };
	char *bytes = xcalloc(1, t.size);
	struct class_score *list = NULL;
	struct err err;
	size_t n;

	t.bytes = memset(bytes, '0', t.size);
	memcpy(bytes, (uint32_t[]){ 5000 }, 4);
	assert_int_equal(classes_of_texts(&t, &list, &n, &err), -1);    /* zeros without end */
	memcpy(bytes + 4, "0.25:12:", 8);
	assert_int_equal(classes_of_texts(&t, &list, &n, &err), 0);
	assert_int_equal(list[0].label_len, 5000 - 8);
	free(list);
	free(bytes);
}

TEST(classes_become_shares_unless_they_are)
{
	static const float logits[] = { 1, 3, 2 }, shares[] = { 0.25f, 0.5f, 0.245f }, large[] = { 1000, 999, -1000 };
	struct class_score *list = NULL;
	struct err err;

	assert_int_equal(classes_of_scores(logits, 3, &list, &err), 0);
	classes_as_shares(list, 3);
	classes_sort(list, 3);
	assert_true(list[0].index == 1 && list[1].index == 2 && list[2].index == 0);
	assert_true(fabs(list[0].score - 0.66524096) < 1e-7 && fabs(list[1].score - 0.24472847) < 1e-7 && fabs(list[2].score - 0.09003057) < 1e-7);
	free(list);
	assert_int_equal(classes_of_scores(shares, 3, &list, &err), 0);
	classes_as_shares(list, 3);
	assert_true(list[1].score == 0.5);
	free(list);
	assert_int_equal(classes_of_scores(large, 3, &list, &err), 0);
	classes_as_shares(list, 3);
	assert_true(fabs(list[0].score - 0.73105858) < 1e-7 && list[2].score == 0);
	free(list);
	list = NULL;
	assert_int_equal(classes_of_scores((float[]){ 1, NAN }, 2, &list, &err), -1);
	assert_non_null(strstr(err.msg, "class 1 is no number"));
	assert_null(list);
}

TEST(classes_of_the_same_score_keep_their_order)
{
	struct class_score list[] = { { .score = 1, .index = 2 }, { .score = 2, .index = 5 }, { .score = 1, .index = 1 } };

	classes_sort(list, 3);
	assert_true(list[0].index == 5 && list[1].index == 1 && list[2].index == 2);
}
