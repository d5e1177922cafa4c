/*
 * round.h - one run of a model for one question or for several at once: their tensors are laid behind each other along
 * the first axis, and the outputs are cut apart again.
 *
 * Whoever lays them together has asked question_joins() and signature_batches(). That the model keeps its rows
 * apart in order can only be believed; that it gives as many as it was given is checked.
 */
#ifndef ROUND_H
#define ROUND_H

#include "engine.h"
#include "question.h"

enum { ROUND_MOST = 64 };       /* questions in one */

struct answer {
	json_t *outputs;        /* [{"name","datatype","shape","offset","bytes"}] */
	int fd;                 /* their bytes */
};

void answer_done(struct answer *a);

/* ret[i] answers q[i], of n. All questions name the same outputs. *ret_is_mixed: the error is that the outputs have other
 * numbers of rows than the inputs. */
int round_run(struct engine *e, void *model, void *run, struct question *const *q, size_t n, struct answer *ret, bool *ret_is_mixed,
	struct err *err) must_use;

#endif
