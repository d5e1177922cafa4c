/*
 * ask_triton.c - the worker's and the runner's own client code against a server, without a fleet around it.
 *
 *	ask_triton URL types            each type through the model same_TYPE, and what came back, as hexadecimal numbers
 *	ask_triton URL classes          the best classes of the model colours for a red picture, a line each
 *	ask_triton URL latency N        N requests on one connection: median and 95th percentile, in microseconds
 */
#include "classes.h"
#include "clock.h"
#include "infer.h"
#include "output.h"
#include "triton.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct asker {
	struct runner_ctx ctx;          /* first */
	struct triton triton;
};

static void check(int rc, const struct err *err)
{
	if (rc == 0)
		return;
	fprintf(stderr, "ask_triton: %s: %s\n", err_kind_name(err->kind), err->msg);
	exit(1);
}

static int fd_of(const struct buf *bytes)
{
	int fd = memfd_create("answer", MFD_CLOEXEC);

	must(fd >= 0 && pwrite(fd, bytes->text, bytes->len, 0) == (ssize_t)bytes->len);
	return fd;
}

/* What the worker does with a runner's question. */
static int pass_on(struct runner_ctx *ctx, const json_t *question, int fd, json_t **ret, int *ret_fd, struct err *err)
{
	struct triton *t = &((struct asker *)ctx)->triton;
	struct triton_call call = { .model = json_string_value(json_object_get(question, "model")),
		.version = json_string_value(json_object_get(question, "version")), .deadline_ms = clock_mono_ms() + 60000 };
	scoped(buf_free) struct buf bytes = { 0 };
	json_t *said;

	*ret_fd = -1;
	if (fd < 0) {
		if (triton_describe(t, &call, &said, err) < 0)
			return -1;
		*ret = json_pack("{s:o}", "model", said);
		return 0;
	}
	if (triton_infer(t, &call, question, fd, &said, &bytes, err) < 0)
		return -1;
	*ret = json_pack("{s:o}", "outputs", said);
	*ret_fd = fd_of(&bytes);
	return 0;
}

static void print_hex(const char *what, const struct tensor *t)
{
	printf("%s %s ", what, t->is.datatype);
	for (size_t i = 0; i < t->size; i++)
		printf("%02x", ((const unsigned char *)t->bytes)[i]);
	printf("\n");
}

/* `in` through the model: as the model gives it, and as a tool gets it. */
static void send_and_print(struct asker *a, const char *datatype, const struct tensor *in)
{
	char name[32];
	struct infer_target at = { "triton", name, "", "" };
	scoped(model_done) struct model model = { 0 };
	scoped(tensor_done) struct tensor raw = { 0 }, seen = { 0 }, given = { 0 };
	struct err err;

	snprintf(name, sizeof name, "same_%s", datatype);
	for (char *c = name; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
	check(infer_describe(&a->ctx, &at, &model, &err), &err);
	must(model.nin == 1 && strcmp(model.in[0].datatype, datatype) == 0);
	if (strcmp(datatype, "BYTES") != 0)
		check(tensor_convert(in, datatype, &given, &err), &err);
	check(infer_run(&a->ctx, &at, NULL, given.bytes ? &given : in, 1, (const char *[]){ "taken" }, &raw, 1, &err), &err);
	check(infer_run(&a->ctx, &at, &model, in, 1, (const char *[]){ "taken" }, &seen, 1, &err), &err);
	print_hex("given", given.bytes ? &given : in);
	print_hex("taken", &raw);
	print_hex("seen", &seen);
}

static void try_types(struct asker *a)
{
	static const char *const types[] = { "BOOL", "UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32", "UINT64", "INT64", "FP16", "BF16",
		"FP32", "FP64" };
	static float numbers[] = { 0, 1, 2, 0.1f, -1, 100.5f, 70000, 3e9f };
	static char texts[] = "\2\0\0\0hi\0\0\0\0\6\0\0\0\xe7\x8c\xab\xe7\x8a\xac";
	const struct tensor in = { .is = { .name = "given", .datatype = "FP32", .rank = 1, .shape = { countof(numbers) } }, .bytes = numbers,
		.size = sizeof numbers };
	const struct tensor text = { .is = { .name = "given", .datatype = "BYTES", .rank = 1, .shape = { 3 } }, .bytes = texts,
		.size = sizeof texts - 1 };

	for (size_t i = 0; i < countof(types); i++)
		send_and_print(a, types[i], &in);
	send_and_print(a, "BYTES", &text);
}

static void try_classes(struct asker *a)
{
	enum { SIDE = 224, PLANE = SIDE * SIDE };
	struct infer_target at = { "triton", "colours", "", "" };
	scoped(model_done) struct model model = { 0 };
	scoped(tensor_done) struct tensor said = { 0 };
	scoped(free_p) float *pixels = xcalloc(3 * PLANE, sizeof *pixels);
	scoped(free_p) struct class_score *list = NULL;
	struct tensor in = { .is = { .name = "input", .datatype = "FP32", .rank = 4, .shape = { 1, 3, SIDE, SIDE } }, .bytes = pixels,
		.size = 3 * PLANE * sizeof *pixels };
	struct err err;
	size_t n;

	for (int i = 0; i < 3 * PLANE; i++)
		pixels[i] = i < PLANE ? 2 : -2;
	check(infer_describe(&a->ctx, &at, &model, &err), &err);
	check(infer_classify(&a->ctx, &at, &model, &in, 1, "logits", 3, &said, &err), &err);
	check(classes_of_texts(&said, &list, &n, &err), &err);
	for (size_t i = 0; i < n; i++)
		printf("%zu %.*s %.4f\n", list[i].index, (int)list[i].label_len, list[i].label ? list[i].label : "", list[i].score);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void try_latency(struct asker *a, int n)
{
	float numbers[64] = { 0 };
	struct infer_target at = { "triton", "same_fp32", "", "" };
	const struct tensor in = { .is = { .name = "given", .datatype = "FP32", .rank = 1, .shape = { 64 } }, .bytes = numbers,
		.size = sizeof numbers };
	scoped(free_p) int64_t *took = xcalloc((size_t)n, sizeof *took);
	struct err err;

	for (int i = 0; i < n; i++) {
		scoped(tensor_done) struct tensor out = { 0 };
		int64_t began = clock_mono_us();

		check(infer_run(&a->ctx, &at, NULL, &in, 1, (const char *[]){ "taken" }, &out, 1, &err), &err);
		took[i] = clock_mono_us() - began;
	}
	qsort(took, (size_t)n, sizeof *took, compare);
	printf("%lld %lld\n", (long long)took[n / 2], (long long)took[n * 95 / 100]);
}

int main(int argc, char **argv)
{
	struct asker a = { .ctx.ask = pass_on };
	scoped(free_p) char *url = NULL, *ca = NULL;
	const char *env[] = { NULL, NULL, NULL };
	struct conf conf;
	struct httpc *http;
	struct err err;

	if (argc < 3) {
		fprintf(stderr, "usage: ask_triton URL types | classes | latency N\n");
		return 2;
	}
	env[0] = url = xasprintf("PIXELFLEET_TRITON_URL=%s", argv[1]);
	env[1] = ca = xasprintf("PIXELFLEET_TRITON_CA_FILE=%s", getenv("PIXELFLEET_TRITON_CA_FILE") ? getenv("PIXELFLEET_TRITON_CA_FILE") : "");
	check(conf_load(&conf, env, &err), &err);
	http = httpc_new();
	triton_init(&a.triton, &conf, http);
	if (strcmp(argv[2], "types") == 0)
		try_types(&a);
	else if (strcmp(argv[2], "classes") == 0)
		try_classes(&a);
	else
		try_latency(&a, argc > 3 ? (int)strtol(argv[3], NULL, 10) : 100);
	triton_done(&a.triton);
	httpc_free(http);
	conf_done(&conf);
	return 0;
}
