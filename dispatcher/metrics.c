#include "metrics.h"

#include "clock.h"
#include "tools.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define TOOLS_MAX 128

/* Sum in whole microseconds, so that it can be added to without a lock. */
struct histogram {
	_Atomic uint64_t buckets[16], count, sum;
};

static const double seconds[] = { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60, 300 };
static const double sizes[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 };
_Static_assert(countof(seconds) < 16 && countof(sizes) < 16, "the last bucket is +Inf");

static const char *const outcomes[] = { "succeeded", "failed", "retrying", "skipped", "cancelled", "other" };

static _Atomic uint64_t counters[METRIC_COUNT];
static _Atomic uint64_t steps[TOOLS_MAX + 1][countof(outcomes)];
static struct histogram durations[TOOLS_MAX + 1], batch_sizes, batch_times;
static _Atomic int64_t progress_ms;

void metric_add(enum metric m, uint64_t n)
{
	must(m < METRIC_COUNT);
	atomic_fetch_add_explicit(&counters[m], n, memory_order_relaxed);
}

void metric_set(enum metric m, uint64_t value)
{
	must(m < METRIC_COUNT);
	atomic_store_explicit(&counters[m], value, memory_order_relaxed);
}

uint64_t metric_get(enum metric m)
{
	must(m < METRIC_COUNT);
	return atomic_load_explicit(&counters[m], memory_order_relaxed);
}

static void observe(struct histogram *h, const double *bounds, size_t n, double value, double unit)
{
	size_t b = 0;

	while (b < n && value > bounds[b])
		b++;
	atomic_fetch_add_explicit(&h->buckets[b], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->sum, (uint64_t)(value / unit + 0.5), memory_order_relaxed);
}

/* Tools have their place in the table; what is not in it shares the last one. */
static size_t tool_place(const char *name)
{
	size_t n;
	const struct tool *t = name ? tool_find(name) : NULL, *all = tools_all(&n);

	must(n <= TOOLS_MAX);
	return t ? (size_t)(t - all) : TOOLS_MAX;
}

static size_t outcome_place(const char *outcome)
{
	size_t i = 0;

	while (i < countof(outcomes) - 1 && strcmp(outcomes[i], outcome) != 0)
		i++;
	return i;
}

void metric_step(const char *tool, const char *outcome, double ms)
{
	size_t t = tool_place(tool);

	atomic_fetch_add_explicit(&steps[t][outcome_place(outcome)], 1, memory_order_relaxed);
	if (ms >= 0)
		observe(&durations[t], seconds, countof(seconds), ms / 1000, 1e-6);
}

void metric_batch(size_t ops, double ms)
{
	observe(&batch_sizes, sizes, countof(sizes), (double)ops, 1);
	observe(&batch_times, seconds, countof(seconds), ms / 1000, 1e-6);
}

void metric_progress(void)
{
	atomic_store_explicit(&progress_ms, clock_mono_ms(), memory_order_relaxed);
}

/* Until the first progress, the age of the process. */
__attribute__((constructor)) static void start(void)
{
	metric_progress();
}

double metric_seconds_since_progress(void)
{
	return (double)(clock_mono_ms() - atomic_load_explicit(&progress_ms, memory_order_relaxed)) / 1000;
}

static void print_head(struct buf *to, const char *name, const char *type, const char *help)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* label is "" or `tool="resize"`. */
static void print_histogram(struct buf *to, const char *name, const char *label, const struct histogram *h, const double *bounds,
	size_t n, double unit)
{
	uint64_t below = 0;

	for (size_t b = 0; b < n; b++) {
		below += atomic_load_explicit(&h->buckets[b], memory_order_relaxed);
		buf_printf(to, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, label, *label ? "," : "", bounds[b], (unsigned long long)below);
	}
	below += atomic_load_explicit(&h->buckets[n], memory_order_relaxed);
	buf_printf(to, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, *label ? "," : "", (unsigned long long)below);
	buf_printf(to, "%s_sum%s%s%s %.6f\n", name, *label ? "{" : "", label, *label ? "}" : "",
		(double)atomic_load_explicit(&h->sum, memory_order_relaxed) * unit);
	buf_printf(to, "%s_count%s%s%s %llu\n", name, *label ? "{" : "", label, *label ? "}" : "", (unsigned long long)below);
}

static const char *tool_at(size_t place)
{
	size_t n;
	const struct tool *all = tools_all(&n);

	return place < n ? all[place].name : place == TOOLS_MAX ? "other" : NULL;
}

static void print_steps(struct buf *to)
{
	char label[100];

	print_head(to, "pixelfleet_steps_total", "counter", "step attempts by tool and how they ended");
	for (size_t t = 0; t <= TOOLS_MAX; t++)
		for (size_t o = 0; o < countof(outcomes); o++)
			if (tool_at(t) && atomic_load_explicit(&steps[t][o], memory_order_relaxed))
				buf_printf(to, "pixelfleet_steps_total{tool=\"%s\",outcome=\"%s\"} %llu\n", tool_at(t), outcomes[o],
					(unsigned long long)atomic_load_explicit(&steps[t][o], memory_order_relaxed));
	print_head(to, "pixelfleet_step_duration_seconds", "histogram", "how long steps ran, by tool");
	for (size_t t = 0; t <= TOOLS_MAX; t++) {
		if (!tool_at(t) || !atomic_load_explicit(&durations[t].count, memory_order_relaxed))
			continue;
		snprintf(label, sizeof label, "tool=\"%s\"", tool_at(t));
		print_histogram(to, "pixelfleet_step_duration_seconds", label, &durations[t], seconds, countof(seconds), 1e-6);
	}
}

void metrics_print(struct buf *to)
{
	static const struct { const char *name, *type, *help; } table[] = {
#define METRIC(id, name, type, help) { name, type, help },
#include "metrics.def"
#undef METRIC
	};

	print_head(to, "pixelfleet_build_info", "gauge", "which version this is");
	buf_printf(to, "pixelfleet_build_info{version=\"%s\"} 1\n", VERSION);
	for (size_t m = 0; m < countof(table); m++) {
		print_head(to, table[m].name, table[m].type, table[m].help);
		buf_printf(to, "%s %llu\n", table[m].name, (unsigned long long)metric_get((enum metric)m));
	}
	print_steps(to);
	print_head(to, "pixelfleet_ledger_batch_operations", "histogram", "operations in one transaction of the ledger");
	print_histogram(to, "pixelfleet_ledger_batch_operations", "", &batch_sizes, sizes, countof(sizes), 1);
	print_head(to, "pixelfleet_ledger_batch_seconds", "histogram", "how long a transaction of the ledger took");
	print_histogram(to, "pixelfleet_ledger_batch_seconds", "", &batch_times, seconds, countof(seconds), 1e-6);
	print_head(to, "pixelfleet_seconds_since_progress", "gauge", "seconds since something went forward");
	buf_printf(to, "pixelfleet_seconds_since_progress %.3f\n", metric_seconds_since_progress());
}
