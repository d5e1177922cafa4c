/*
 * plain_infer.c - what ONNX Runtime alone does: a model with one picture as input, run again and again.
 *
 *	plain_infer LIBRARY MODEL CALLERS RUNS N C H W
 *
 * One session, CALLERS threads that call it RUNS times in all with a tensor of that shape; a session's own threads are one,
 * and do not spin. Prints the seconds it took.
 */
#include <dlfcn.h>
#include <onnxruntime_c_api.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const OrtApi *ort;

struct loop {
	OrtSession *session;
	OrtMemoryInfo *memory;
	char *input, *output;
	int64_t shape[4];
	size_t n;                       /* numbers of a tensor */
	atomic_int left;
};

static void check(OrtStatus *status)
{
	if (!status)
		return;
	fprintf(stderr, "plain_infer: %s\n", ort->GetErrorMessage(status));
	exit(1);
}

static void run_once(struct loop *l, float *numbers)
{
	OrtValue *in = NULL, *out = NULL;

	check(ort->CreateTensorWithDataAsOrtValue(l->memory, numbers, l->n * sizeof *numbers, l->shape, 4, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &in));
	check(ort->Run(l->session, NULL, (const char *const[]){ l->input }, (const OrtValue *const[]){ in }, 1,
		(const char *const[]){ l->output }, 1, &out));
	ort->ReleaseValue(in);
	ort->ReleaseValue(out);
}

static void *call(void *arg)
{
	struct loop *l = arg;
	float *numbers = malloc(l->n * sizeof *numbers);

	if (!numbers)
		exit(1);
	for (size_t i = 0; i < l->n; i++)
		numbers[i] = (float)(i % 251) / 125 - 1;
	while (atomic_fetch_sub(&l->left, 1) > 0)
		run_once(l, numbers);
	free(numbers);
	return NULL;
}

static void open_model(const char *library, const char *model, struct loop *l)
{
	void *lib = dlopen(library, RTLD_NOW);
	const OrtApiBase *(*base)(void) = lib ? (const OrtApiBase *(*)(void))(uintptr_t)dlsym(lib, "OrtGetApiBase") : NULL;
	OrtSessionOptions *options = NULL;
	OrtAllocator *allocator = NULL;
	OrtEnv *env = NULL;

	ort = base ? base()->GetApi(ORT_API_VERSION) : NULL;
	if (!ort) {
		fprintf(stderr, "plain_infer: %s\n", lib ? "the library is older than its header" : dlerror());
		exit(1);
	}
	check(ort->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "plain_infer", &env));
	check(ort->CreateSessionOptions(&options));
	check(ort->SetIntraOpNumThreads(options, 1));
	check(ort->AddSessionConfigEntry(options, "session.intra_op.allow_spinning", "0"));
	check(ort->CreateSession(env, model, options, &l->session));
	check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &l->memory));
	check(ort->GetAllocatorWithDefaultOptions(&allocator));
	check(ort->SessionGetInputName(l->session, 0, allocator, &l->input));
	check(ort->SessionGetOutputName(l->session, 0, allocator, &l->output));
}

int main(int argc, char **argv)
{
	struct loop l = { .n = 1 };
	struct timespec begin, end;
	pthread_t threads[64];
	int callers;

	if (argc != 9 || (callers = (int)strtol(argv[3], NULL, 10)) < 1 || callers > 64) {
		fprintf(stderr, "usage: plain_infer LIBRARY MODEL CALLERS RUNS N C H W\n");
		return 2;
	}
	setenv("ORT_DISABLE_TELEMETRY", "1", 1);
	for (int i = 0; i < 4; i++) {
		l.shape[i] = strtol(argv[5 + i], NULL, 10);
		l.n *= (size_t)l.shape[i];
	}
	open_model(argv[1], argv[2], &l);
	atomic_store(&l.left, 1);
	call(&l);                       /* the first run is slower */
	atomic_store(&l.left, (int)strtol(argv[4], NULL, 10));
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < callers; i++)
		if (pthread_create(&threads[i], NULL, call, &l) != 0)
			return 1;
	for (int i = 0; i < callers; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.6f\n", (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}
