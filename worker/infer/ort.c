#include "ort_inside.h"

#include "log.h"

#include <ctype.h>
#include <dlfcn.h>
#include <ort_soname.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the API that 1.24.3 has; builds after it look up a host. */
#define NEWEST_API 24
#define API_VERSION (ORT_API_VERSION < NEWEST_API ? ORT_API_VERSION : NEWEST_API)

#define LIBRARY "libonnxruntime.so.1"

enum { PATH_BYTES = 4096 };

/* ---- its errors ---- */

static bool is_memory(const char *text)
{
	static const char *const words[] = { "bad_alloc", "bad allocation", "Failed to allocate memory", "out of memory", "Out of memory" };

	for (size_t i = 0; i < countof(words); i++)
		if (strstr(text, words[i]))
			return true;
	return false;
}

int ort_try(const struct ort *o, OrtStatus *status, struct err *err)
{
	const char *text;
	size_t length;

	if (!status)
		return 0;
	text = o->api->GetErrorMessage(status);
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	err_set(err, is_memory(text) ? ERR_RETRY : ERR_REJECT, "%.*s", (int)min_of(length, (size_t)700), text);
	o->api->ReleaseStatus(status);
	return -1;
}

void ort_must(const struct ort *o, OrtStatus *status)
{
	struct err err;

	if (ort_try(o, status, &err) == 0)
		return;
	log_bug("ort.refused", "message=%s", log_quote(err.msg));
	abort();
}

/* What it logs is for its developers; what went wrong comes back as a status. */
static void on_log(void *arg, OrtLoggingLevel level, const char *category, const char *id, const char *where, const char *text)
{
	(void)arg, (void)category, (void)id;
	log_event(level >= ORT_LOGGING_LEVEL_FATAL ? LOG_ERROR_ : LOG_DEBUG_, "ort.log", "where=%s message=%s", log_quote(where),
		log_quote(text));
}

/* ---- finding it ---- */

static void *open_beside(const char *dir, char *tried, size_t size)
{
	char self[PATH_BYTES] = "", path[PATH_BYTES + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	void *lib;

	if (n <= 0 || !strrchr(self, '/'))
		return NULL;
	*strrchr(self, '/') = '\0';
	snprintf(path, sizeof path, "%s%s/" LIBRARY, self, dir);
	if (access(path, F_OK) < 0)
		return NULL;
	lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	snprintf(tried, size, "%.200s", lib ? path : dlerror());
	return lib;
}

static int find(const char *given, void **ret, char *path, size_t size, struct err *err)
{
	static const char *const beside[] = { "", "/../lib/pixelfleet", "/../../lib/pixelfleet", "/../onnxruntime/lib" };
	static const char *const names[] = { LIBRARY, ORT_SONAME, "libonnxruntime.so" };
	char why[300] = "";
	void *lib = NULL;

	if (given && *given) {
		*ret = dlopen(given, RTLD_NOW | RTLD_LOCAL);
		snprintf(path, size, "%s", given);
		return *ret ? 0 : err_set(err, ERR_REJECT, "PIXELFLEET_ONNXRUNTIME: %.500s", dlerror());
	}
	for (size_t i = 0; i < countof(beside) && !lib; i++)
		lib = open_beside(beside[i], why, sizeof why);
	snprintf(path, size, "%s", why);
	for (size_t i = 0; i < countof(names) && !lib; i++) {
		lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		snprintf(path, size, "%s", names[i]);
	}
	*ret = lib;
	if (lib)
		return 0;
	return err_set(err, ERR_REJECT, "there is no ONNX Runtime: no " LIBRARY " beside the program, in ../lib/pixelfleet, "
		"../../lib/pixelfleet or ../onnxruntime/lib from there, or where the system's loader looks (%s); PIXELFLEET_ONNXRUNTIME may "
		"name it", *why ? why : dlerror());
}

static int load_library(struct ort *o, const char *given, struct err *err)
{
	const OrtApiBase *(*get_base)(void) = NULL;
	char path[PATH_BYTES];
	void *lib, *symbol;

	if (find(given, &lib, path, sizeof path, err) < 0)
		return -1;
	symbol = dlsym(lib, "OrtGetApiBase");
	if (!symbol)
		return err_set(err, ERR_REJECT, "'%.500s' is no ONNX Runtime: it has no OrtGetApiBase", path);
	memcpy(&get_base, &symbol, sizeof symbol);
	snprintf(o->version, sizeof o->version, "%s", get_base()->GetVersionString());
	o->api = get_base()->GetApi(API_VERSION);
	if (!o->api)
		return err_set(err, ERR_REJECT, "ONNX Runtime %s ('%.500s') is too old: this build needs 1.%d or newer", o->version, path,
			API_VERSION);
	return 0;
}

/* ---- the device ---- */

/* Without seccomp; see sandbox.h. */
static int append_cuda(struct ort *o, struct err *err)
{
	OrtCUDAProviderOptionsV2 *cuda = NULL;
	int rc;

	if (ort_try(o, o->api->CreateCUDAProviderOptions(&cuda), err) < 0)
		return -1;
	rc = ort_try(o, o->api->SessionOptionsAppendExecutionProvider_CUDA_V2(o->options, cuda), err);
	o->api->ReleaseCUDAProviderOptions(cuda);
	return rc;
}

static int choose_device(struct ort *o, const char *device, struct err *err)
{
	const char *visible = getenv("CUDA_VISIBLE_DEVICES");
	bool is_hidden = visible && (!*visible || strcmp(visible, "-1") == 0), must_be = strcmp(device, "cuda") == 0;
	struct err why;

	snprintf(o->device, sizeof o->device, "cpu");
	if (strcmp(device, "cpu") == 0)
		return 0;
	if (is_hidden)
		err_set(&why, ERR_REJECT, "CUDA_VISIBLE_DEVICES hides all of them");
	else if (append_cuda(o, &why) == 0) {
		snprintf(o->device, sizeof o->device, "cuda");
		return 0;
	}
	if (must_be)
		return err_set(err, ERR_REJECT, "the device \"cuda\" is not to be had: %.800s", why.msg);
	snprintf(o->note, sizeof o->note, "CUDA: %.480s", why.msg);
	return 0;
}

/* ---- beginning and end ---- */

static void set_options(struct ort *o, unsigned intra_op)
{
	const OrtApi *api = o->api;

	ort_must(o, api->CreateSessionOptions(&o->options));
	ort_must(o, api->SetIntraOpNumThreads(o->options, (int)max_of(intra_op, 1u)));
	ort_must(o, api->SetInterOpNumThreads(o->options, 1));
	ort_must(o, api->SetSessionExecutionMode(o->options, ORT_SEQUENTIAL));
	ort_must(o, api->AddSessionConfigEntry(o->options, "session.intra_op.allow_spinning", "0"));
	ort_must(o, api->AddSessionConfigEntry(o->options, "session.inter_op.allow_spinning", "0"));
	/* Shapes change from request to request, and a pattern is kept for each of them: a third more memory, no time won. */
	ort_must(o, api->DisableMemPattern(o->options));
	ort_must(o, api->AddSessionConfigEntry(o->options, "session.use_env_allocators", "1"));
	ort_must(o, api->AddSessionConfigEntry(o->options, "session.use_device_allocator_for_initializers", "1"));
}

/* One arena for what all models need while they run, which grows by as much as is asked for; weights are outside of it, and
 * leave with their model. ONNX Runtime's own choice, an arena for each model that grows by powers of two, keeps more, and
 * is of no more use after it once could not have what it wanted. None at all costs a convolutional network a
 * quarter more time in page faults, giving everything back after each run a tenth. */
static void make_arena(struct ort *o)
{
	static const char *const keys[] = { "arena_extend_strategy" };
	static const size_t values[] = { 1 };           /* as requested */
	OrtMemoryInfo *memory = NULL;
	OrtArenaCfg *arena = NULL;

	ort_must(o, o->api->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &memory));
	ort_must(o, o->api->CreateArenaCfgV2(keys, values, countof(keys), &arena));
	ort_must(o, o->api->CreateAndRegisterAllocator(o->env, memory, arena));
	o->api->ReleaseArenaCfg(arena);
	o->api->ReleaseMemoryInfo(memory);
}

int ort_open(const struct ort_options *given, struct ort **ret, struct err *err)
{
	scoped(ort_close_p) struct ort *o = xcalloc(1, sizeof *o);

	setenv("ORT_DISABLE_TELEMETRY", "1", 1);
	if (load_library(o, given->library, err) < 0)
		return -1;
	session_engine(&o->engine);
	if (ort_try(o, o->api->CreateEnvWithCustomLogger(on_log, NULL, ORT_LOGGING_LEVEL_WARNING, "pixelfleet", &o->env), err) < 0)
		return err_wrap(err, "ONNX Runtime %s does not start", o->version);
	ort_must(o, o->api->DisableTelemetryEvents(o->env));
	ort_must(o, o->api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &o->memory));
	ort_must(o, o->api->GetAllocatorWithDefaultOptions(&o->allocator));
	make_arena(o);
	set_options(o, given->intra_op);
	if (choose_device(o, given->device, err) < 0)
		return -1;
	*ret = steal(&o);
	return 0;
}

/* The library stays: what it keeps for its life is not ours to look for. */
void ort_close(struct ort *o)
{
	if (!o)
		return;
	if (o->options)
		o->api->ReleaseSessionOptions(o->options);
	if (o->memory)
		o->api->ReleaseMemoryInfo(o->memory);
	if (o->env)
		o->api->ReleaseEnv(o->env);
	free(o);
}

struct engine *ort_engine(struct ort *o)
{
	return &o->engine;
}

const char *ort_version(const struct ort *o)
{
	return o->version;
}

const char *ort_device(const struct ort *o)
{
	return o->device;
}

const char *ort_note(const struct ort *o)
{
	return o->note;
}
