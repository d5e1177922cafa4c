#include "fake_model.h"
#include "studio.h"
#include "test.h"

#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- a backend inside this test ---- */

static const char *description, *shape, *texts;         /* texts: what comes when classes are asked for; NULL: the numbers */
static float logits[4];
static float seen[3 * 28 * 28];
static json_t *wanted;                                  /* the output as it was asked for */

static void answer_texts(json_t **ret, int *ret_fd)
{
	*ret_fd = memfd_create("answer", MFD_CLOEXEC);
	for (const char *p = texts; *p;) {
		uint32_t n = (uint32_t)strcspn(p, "|");

		assert_int_equal(write(*ret_fd, &n, sizeof n), sizeof n);
		assert_int_equal(write(*ret_fd, p, n), n);
		p += n + (p[n] == '|');
	}
	*ret = json_pack("{s:[{s:s, s:s, s:[i,i], s:i, s:I}]}", "outputs", "name", "logits", "datatype", "BYTES", "shape", 1, 4, "offset", 0,
		"bytes", (json_int_t)lseek(*ret_fd, 0, SEEK_END));
}

static int backend(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	(void)ctx, (void)err;
	if (fake_describes(question, description, ret, ret_fd))
		return 0;
	fake_input(question, fd, seen, sizeof seen);
	json_decref(wanted);
	wanted = json_deep_copy(json_array_get(json_object_get(question, "outputs"), 0));
	if (texts && json_is_object(wanted))
		answer_texts(ret, ret_fd);
	else
		fake_answer(&(struct fake_tensor){ "logits", shape, logits, countof(logits) }, 1, ret, ret_fd);
	return 0;
}

#define MODEL(card) "{\"model\":{\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP32\",\"shape\":[-1,3,28,28]}]," \
	"\"outputs\":[{\"name\":\"logits\",\"datatype\":\"FP32\",\"shape\":[-1,4]}]},\"card\":" card "}"
#define LABELS "{\"labels\":[\"a\",\"b\",\"c\",\"d\"]}"

static void classify(struct shot *s, const char *says, const char *params, const char *said)
{
	description = says;
	texts = said;
	memcpy(logits, (float[]){ 1, 3, 2, 0 }, sizeof logits);
	shape = shape ? shape : "[1,4]";
	*s = (struct shot){ .ask = backend };
	studio_run(s, "classify", params, studio_file(studio_plain(90, 60, 255, 0, 51), "a.png"), NULL);
}

static void gives(const struct shot *s, const char *items)
{
	json_t *want = json_loads(items, 0, NULL);
	scoped(free_p) char *is = json_dumps(json_object_get(s->data, "items"), JSON_COMPACT);

	if (s->result < 0)
		fail_msg("%s", s->err.msg);
	assert_non_null(want);
	if (!json_equal(json_object_get(s->data, "items"), want))
		fail_msg("it gives %s", is);
	json_decref(want);
}

static void done(struct shot *s)
{
	json_decref(wanted);
	wanted = NULL;
	shape = NULL;
	studio_done(s);
}

TEST(classify_gives_the_likeliest_classes_as_shares_with_the_cards_labels)
{
	struct shot s;

	classify(&s, MODEL(LABELS), "{\"model\":\"m\",\"top_k\":3}", NULL);
	gives(&s, "[{\"label\":\"b\",\"score\":0.643914},{\"label\":\"c\",\"score\":0.236883},{\"label\":\"a\",\"score\":0.087144}]");
	assert_int_equal(json_integer_value(json_object_get(s.data, "width")), 90);
	assert_string_equal(json_string_value(json_object_get(s.data, "backend")), "onnx");
	assert_string_equal(json_string_value(wanted), "logits");
	/* ImageNet's numbers, of a picture of one colour. */
	assert_float_equal((double)seen[14 * 28], (1 - 0.485) / 0.229, 1e-5);
	assert_float_equal((double)seen[2 * 784], (0.2 - 0.406) / 0.225, 1e-5);
	done(&s);
}

TEST(classify_leaves_out_what_is_less_certain)
{
	struct shot s;

	classify(&s, MODEL("{}"), "{\"model\":\"m\",\"min_score\":0.2}", NULL);
	gives(&s, "[{\"label\":\"1\",\"score\":0.643914},{\"label\":\"2\",\"score\":0.236883}]");
	done(&s);
}

TEST(classify_asks_triton_for_the_labels_it_has)
{
	struct shot s;

	classify(&s, MODEL("{}"), "{\"backend\":\"triton\",\"model\":\"m\",\"top_k\":2}",
		"3.000000:1:tabby cat|2.000000:2|1.000000:0:x|0.000000:3:y");
	gives(&s, "[{\"label\":\"tabby cat\",\"score\":0.643914},{\"label\":\"2\",\"score\":0.236883}]");
	assert_int_equal(json_integer_value(json_object_get(wanted, "classification")), 4);
	done(&s);
}

TEST(classify_takes_its_own_labels_before_tritons)
{
	struct shot s;

	classify(&s, MODEL(LABELS), "{\"backend\":\"triton\",\"model\":\"m\",\"top_k\":1}", "never:asked");
	gives(&s, "[{\"label\":\"b\",\"score\":0.643914}]");
	assert_string_equal(json_string_value(wanted), "logits");
	done(&s);
}

TEST(classify_takes_numbers_of_a_server_that_knows_no_classes)
{
	struct shot s;

	classify(&s, MODEL("{}"), "{\"backend\":\"triton\",\"model\":\"m\",\"top_k\":1}", NULL);
	gives(&s, "[{\"label\":\"1\",\"score\":0.643914}]");
	done(&s);
}

TEST(classify_that_gets_nonsense_says_so)
{
	static const struct { const char *model, *shape, *texts, *says; } bad[] = {
		{ MODEL("{}"), NULL, "0.5:1|cat", "class 1 of 'logits' is 'cat'" },
		{ MODEL("{}"), "[2,2]", NULL, "'logits' FP32 [2,2], classify wants a number for each class" },
		{ MODEL("{\"labels\":[\"a\"]}"), NULL, NULL, "gives 4 classes, its model.json has 1 labels" },
		{ "{\"model\":{\"inputs\":[],\"outputs\":[]},\"card\":{}}", NULL, NULL, "takes 0 inputs, classify gives one" },
	};

	for (size_t i = 0; i < countof(bad); i++) {
		struct shot s;

		shape = bad[i].shape;
		classify(&s, bad[i].model, "{\"backend\":\"triton\",\"model\":\"m\"}", bad[i].texts);
		assert_int_equal(s.result, -1);
		if (!strstr(s.err.msg, bad[i].says))
			fail_msg("'%s' does not say '%s'", s.err.msg, bad[i].says);
		done(&s);
	}
}
