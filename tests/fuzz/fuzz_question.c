/* What a slot says to pixelfleet-infer, with a file of 64 KiB beside it, against a model that takes batches and one that takes
 * all sorts. */
#include "fuzz.h"

#include "question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FILE_BYTES = 65536 };

static void port(struct port *p, const char *name, const char *type, size_t rank, int64_t first, int64_t rest)
{
	*p = (struct port){ .type = dtype_named(type), .rank = rank };
	snprintf(p->name, sizeof p->name, "%s", name);
	for (size_t i = 0; i < rank; i++)
		p->shape[i] = i ? rest : first;
}

static void check_fit(struct question *q, const struct signature *s)
{
	struct err err;

	if (question_check(q, s, &err) < 0) {
		must(err.kind == ERR_REJECT && *err.msg);
		return;
	}
	if (!q->is_infer)
		return;
	must(q->nin == s->nin && q->nout > 0);
	for (size_t i = 0; i < q->nin; i++) {
		const struct piece *p = &q->in[i];
		size_t count = p->type->size;

		must(strcmp(p->name, s->in[i].name) == 0 && p->type == s->in[i].type && p->rank == s->in[i].rank);
		for (size_t k = 0; k < p->rank; k++) {
			must(s->in[i].shape[k] == -1 || s->in[i].shape[k] == p->shape[k]);
			count *= (size_t)p->shape[k];
		}
		must(count == p->size);
	}
	must(question_joins(q, q) == (q->rows && !q->is_alone));
}

static void check_bytes(const struct question *q)
{
	struct err err;
	size_t end = 0;

	for (size_t i = 0; i < q->nin; i++) {
		scoped(free_p) void *bytes = xcalloc(q->in[i].size + 1, 1);

		must(q->in[i].offset >= 0 && (size_t)q->in[i].offset + q->in[i].size <= FILE_BYTES);
		must(question_bytes(q, i, bytes, &err) == 0);
		end += q->in[i].size;
	}
	must(end <= FILE_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(json_decref_p) json_t *said = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	scoped(free_p) struct signature *batch = xcalloc(1, sizeof *batch), *all = xcalloc(1, sizeof *all);
	struct question q;
	struct err err;
	int fd;

	if (!json_is_object(said))
		return 0;
	fd = memfd_create("tensors", MFD_CLOEXEC);
	must(fd >= 0 && ftruncate(fd, FILE_BYTES) == 0);
	if (question_read(said, &fd, &q, &err) < 0) {
		must(fd == -1 && err.kind == ERR_REJECT);
		return 0;
	}
	batch->nin = batch->nout = all->nout = 1;
	all->nin = 3;
	port(&batch->in[0], "x", "FP32", 2, -1, 4);
	port(&batch->out[0], "y", "FP32", 2, -1, 4);
	port(&all->in[0], "a", "UINT8", 4, 1, -1);
	port(&all->in[1], "b", "INT64", 0, 0, 0);
	port(&all->in[2], "c", "BOOL", 8, -1, -1);
	port(&all->out[0], "y", "FP16", 1, -1, 0);
	check_bytes(&q);
	check_fit(&q, batch);
	check_fit(&q, all);
	question_done(&q);
	return 0;
}
