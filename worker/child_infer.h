/*
 * child_infer.h - a runner's question for a model, answered through a model server: the runner has no
 * network. The words are those of shared/wire.h.
 */
#ifndef CHILD_INFER_H
#define CHILD_INFER_H

#include "triton.h"

/* `said` is {"ask":"model"|"infer",...}, which came with the descriptors. What goes wrong with the model is
 * said to the runner, which ends its task with it; call->is_fault tells whether the backend was at fault.
 * -1: the socket is of no more use, or ERR_CANCEL. */
int child_infer(int sock, struct triton *t, struct triton_call *call, const json_t *said, const int *fds, size_t nfds,
	struct err *err) must_use;

#endif
