/*
 * service.h - the process as its worker knows it: it says that it is ready, is told the limits and the device, loads ONNX
 * Runtime, closes its sandbox behind it, and answers slots until the worker closes its end (shared/wire.h).
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "err.h"

/* parent: dies with it. -1: it could not begin, or the socket broke. */
int service_run(int sock, int parent, struct err *err) must_use;

#endif
