#include "flow.h"

#include "clock.h"

#include <poll.h>

int flow_sleep(const struct flow_job *job, struct task_result *ret, struct err *err)
{
	double seconds = json_number_value(json_object_get(job->params, "seconds"));
	int64_t until = clock_mono_ms() + (int64_t)(seconds * 1000);
	struct pollfd wake = { .fd = job->wake_fd, .events = POLLIN };

	(void)ret;
	for (int64_t now; (now = clock_mono_ms()) < min_of(until, job->deadline_ms);) {
		if (__atomic_load_n(job->stop, __ATOMIC_ACQUIRE))
			return err_set(err, ERR_CANCEL, "stopped while sleeping");
		poll(&wake, 1, (int)(min_of(until, job->deadline_ms) - now));
	}
	if (until > job->deadline_ms)
		return err_set(err, ERR_RETRY, "timed out after %u s, asleep", job->task->timeout_s);
	return 0;
}
