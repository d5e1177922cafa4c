/* session.c - one model in ONNX Runtime: loading it, reading its signature, running it. */
#include "ort_inside.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An OrtSession may be run by several threads at once. */
static OrtSession *session_of(void *model)
{
	return model;
}

static struct ort *ort_of(struct engine *e)
{
	return (struct ort *)e;
}

/* ---- what the file says ---- */

static int read_tensor(struct ort *o, const OrtTypeInfo *info, struct port *ret, struct err *err)
{
	const OrtTensorTypeAndShapeInfo *tensor = NULL;
	const char *names[SIGNATURE_RANK] = { NULL };
	ONNXTensorElementDataType type;

	ort_must(o, o->api->CastTypeInfoToTensorInfo(info, &tensor));
	if (!tensor) {                  /* a sequence or a map: listed, and refused to those who ask for it */
		ret->type = dtype_of(0);
		return 0;
	}
	ort_must(o, o->api->GetTensorElementType(tensor, &type));
	ort_must(o, o->api->GetDimensionsCount(tensor, &ret->rank));
	ret->type = dtype_of((int)type);
	if (ret->rank > SIGNATURE_RANK)
		return err_set(err, ERR_REJECT, "'%.60s' has %zu dimensions, at most %d are allowed", ret->name, ret->rank, SIGNATURE_RANK);
	ort_must(o, o->api->GetDimensions(tensor, ret->shape, ret->rank));
	ort_must(o, o->api->GetSymbolicDimensions(tensor, names, ret->rank));
	for (size_t i = 0; i < ret->rank; i++)
		ret->shape[i] = max_of(ret->shape[i], (int64_t)-1);
	if (ret->rank && ret->shape[0] == -1 && names[0])
		snprintf(ret->axis, sizeof ret->axis, "%s", names[0]);
	return 0;
}

/* Its file may say anything, and everybody is told. */
static bool is_text(const char *name)
{
	size_t left = strlen(name), step = 1;

	for (; left && step; name += step, left -= step)
		step = utf8_sequence(name, left);
	return !left;
}

static int read_port(struct ort *o, OrtSession *s, bool is_input, size_t i, struct port *ret, struct err *err)
{
	const OrtApi *api = o->api;
	OrtTypeInfo *info = NULL;
	char *name = NULL;
	size_t length;
	int rc;

	ort_must(o, is_input ? api->SessionGetInputName(s, i, o->allocator, &name) : api->SessionGetOutputName(s, i, o->allocator, &name));
	length = strlen(name);
	snprintf(ret->name, sizeof ret->name, "%s", name);
	ort_must(o, api->AllocatorFree(o->allocator, name));
	if (length >= sizeof ret->name)
		return err_set(err, ERR_REJECT, "the name '%.60s...' has %zu bytes, at most %zu are allowed", ret->name, length,
			sizeof ret->name - 1);
	if (!is_text(ret->name))
		return err_set(err, ERR_REJECT, "the name '%.60s' of an %s is not UTF-8", ret->name, is_input ? "input" : "output");
	rc = ort_try(o, is_input ? api->SessionGetInputTypeInfo(s, i, &info) : api->SessionGetOutputTypeInfo(s, i, &info), err);
	if (rc == 0) {
		rc = read_tensor(o, info, ret, err);
		api->ReleaseTypeInfo(info);
	}
	return rc;
}

static int read_signature(struct ort *o, OrtSession *s, struct signature *ret, struct err *err)
{
	ort_must(o, o->api->SessionGetInputCount(s, &ret->nin));
	ort_must(o, o->api->SessionGetOutputCount(s, &ret->nout));
	if (ret->nin > SIGNATURE_PORTS || ret->nout > SIGNATURE_PORTS)
		return err_set(err, ERR_REJECT, "it has %zu inputs and %zu outputs, at most %d of each are allowed", ret->nin, ret->nout,
			SIGNATURE_PORTS);
	for (size_t i = 0; i < ret->nin; i++)
		if (read_port(o, s, true, i, &ret->in[i], err) < 0)
			return -1;
	for (size_t i = 0; i < ret->nout; i++)
		if (read_port(o, s, false, i, &ret->out[i], err) < 0)
			return -1;
	return 0;
}

static int load(struct engine *e, const char *path, void **ret_model, struct signature *ret_signature, struct err *err)
{
	struct ort *o = ort_of(e);
	OrtSession *s = NULL;

	memset(ret_signature, 0, sizeof *ret_signature);
	if (ort_try(o, o->api->CreateSession(o->env, path, o->options, &s), err) < 0)
		return err_wrap(err, "ONNX Runtime cannot load '%.200s'", path);
	if (read_signature(o, s, ret_signature, err) < 0) {
		o->api->ReleaseSession(s);
		return err_wrap(err, "the model '%.200s'", path);
	}
	*ret_model = s;
	return 0;
}

static void unload(struct engine *e, void *model)
{
	ort_of(e)->api->ReleaseSession(session_of(model));
}

/* ---- running ---- */

static void *begin(struct engine *e)
{
	OrtRunOptions *run = NULL;

	ort_must(ort_of(e), ort_of(e)->api->CreateRunOptions(&run));
	return run;
}

static void stop(struct engine *e, void *run)
{
	ort_must(ort_of(e), ort_of(e)->api->RunOptionsSetTerminate(run));
}

static void end(struct engine *e, void *run)
{
	ort_of(e)->api->ReleaseRunOptions(run);
}

static int read_output(struct ort *o, OrtValue *v, struct value *ret, struct err *err)
{
	OrtTensorTypeAndShapeInfo *info = NULL;
	ONNXTensorElementDataType type;
	struct value got = { .name = ret->name, .owner = v };
	size_t count;
	int is_tensor = 0;

	ort_must(o, o->api->IsTensor(v, &is_tensor));
	if (!is_tensor)
		return err_set(err, ERR_REJECT, "the output '%.60s' is no tensor", ret->name);
	ort_must(o, o->api->GetTensorTypeAndShape(v, &info));
	ort_must(o, o->api->GetTensorElementType(info, &type));
	ort_must(o, o->api->GetDimensionsCount(info, &got.rank));
	ort_must(o, o->api->GetTensorShapeElementCount(info, &count));
	if (got.rank <= SIGNATURE_RANK)
		ort_must(o, o->api->GetDimensions(info, got.shape, got.rank));
	o->api->ReleaseTensorTypeAndShapeInfo(info);
	got.type = dtype_of((int)type);
	if (!got.type->size || got.rank > SIGNATURE_RANK)
		return err_set(err, ERR_REJECT, "the output '%.60s' is of the type %s with %zu dimensions; taken are %s, with at most %d",
			ret->name, got.type->name, got.rank, dtype_names(), SIGNATURE_RANK);
	ort_must(o, o->api->GetTensorMutableData(v, &got.data));
	got.size = count * got.type->size;
	*ret = got;
	return 0;
}

static void release(struct engine *e, struct value *output)
{
	if (output->owner)
		ort_of(e)->api->ReleaseValue(output->owner);
	output->owner = NULL;
}

static int make_inputs(struct ort *o, const struct value *in, size_t nin, const char **names, OrtValue **ret, struct err *err)
{
	static char nothing[8];         /* a tensor without elements has an address, too */

	for (size_t i = 0; i < nin; i++) {
		names[i] = in[i].name;
		if (ort_try(o, o->api->CreateTensorWithDataAsOrtValue(o->memory, in[i].size ? in[i].data : nothing, in[i].size, in[i].shape,
			in[i].rank, (ONNXTensorElementDataType)in[i].type->onnx, &ret[i]), err) < 0)
			return err_wrap(err, "input '%.60s'", in[i].name);
	}
	return 0;
}

static int take_outputs(struct engine *e, OrtValue **values, struct value *out, size_t nout, struct err *err)
{
	struct value got[SIGNATURE_PORTS];

	for (size_t i = 0; i < nout; i++) {
		got[i] = (struct value){ .name = out[i].name };
		if (read_output(ort_of(e), values[i], &got[i], err) < 0)
			return -1;
	}
	memcpy(out, got, nout * sizeof *out);
	return 0;
}

static int run(struct engine *e, void *model, void *run_of, const struct value *in, size_t nin, struct value *out, size_t nout,
	struct err *err)
{
	struct ort *o = ort_of(e);
	const char *in_names[SIGNATURE_PORTS] = { NULL }, *out_names[SIGNATURE_PORTS] = { NULL };
	OrtValue *in_values[SIGNATURE_PORTS] = { NULL }, *out_values[SIGNATURE_PORTS] = { NULL };
	int rc;

	must(nin <= SIGNATURE_PORTS && nout <= SIGNATURE_PORTS);
	for (size_t i = 0; i < nout; i++)
		out_names[i] = out[i].name;
	rc = make_inputs(o, in, nin, in_names, in_values, err);
	if (rc == 0)
		rc = ort_try(o, o->api->Run(session_of(model), run_of, in_names, (const OrtValue *const *)in_values, nin, out_names, nout,
			out_values), err);
	if (rc == 0)
		rc = take_outputs(e, out_values, out, nout, err);
	for (size_t i = 0; i < nin; i++)
		o->api->ReleaseValue(in_values[i]);
	for (size_t i = 0; i < nout && rc < 0; i++)
		o->api->ReleaseValue(out_values[i]);
	return rc;
}

void session_engine(struct engine *e)
{
	*e = (struct engine){ load, unload, begin, stop, end, run, release };
}
