#include "breaker.h"

#include "clock.h"
#include "fleet.h"
#include "log.h"
#include "metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define NAME_MAX_BYTES  120
#define BREAKERS_MAX    256             /* one more backend that fails is charged like any other failure */
#define FIRST_PROBE_MS  1000u
#define TRITON_PROBE_MS 2000u           /* work has to flow within 5 s of its return */
#define HEARD_MS        700             /* Redis is told within 0.4 s, and workers ask four times a second while one is open */
#define CLOSED_KEPT_MS  60000           /* as long as Redis says that it was closed */
#define IDLE_MS         600000
#define REMOTE_AGE_MAX  ((int64_t)366 * 86400 * 1000)

struct breakers {
	pthread_mutex_t lock;
	unsigned patience_s, probe_s;
	struct breaker list[BREAKERS_MAX];
	_Atomic size_t n;               /* changes under the lock */
};

struct breakers *breakers_new(unsigned patience_s, unsigned probe_s)
{
	struct breakers *b = xcalloc(1, sizeof *b);

	must(pthread_mutex_init(&b->lock, NULL) == 0);
	b->patience_s = patience_s;
	b->probe_s = probe_s;
	return b;
}

void breakers_free(struct breakers *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

bool breaker_is_name(const char *s)
{
	size_t n = s ? strlen(s) : 0;

	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return n >= 1 && n <= NAME_MAX_BYTES;
}

static void unlock(pthread_mutex_t *m)
{
	must(pthread_mutex_unlock(m) == 0);
}

DEFINE_SCOPED(pthread_mutex_t *, unlock)
#define scoped_lock(b) scoped(unlock_p) pthread_mutex_t *locked_here __attribute__((unused)) = lock_it(&(b)->lock)

static pthread_mutex_t *lock_it(pthread_mutex_t *m)
{
	must(pthread_mutex_lock(m) == 0);
	return m;
}

/* ---- with the lock held ---- */

static struct breaker *find(struct breakers *b, const char *name)
{
	for (size_t i = 0; i < b->n; i++)
		if (strcmp(b->list[i].name, name) == 0)
			return &b->list[i];
	return NULL;
}

/* In a full table the one that was closed and is untouched for longest makes room. NULL: all are open. */
static struct breaker *make_room(struct breakers *b)
{
	struct breaker *oldest = NULL;

	if (b->n < BREAKERS_MAX)
		return &b->list[b->n++];
	for (size_t i = 0; i < b->n; i++)
		if (b->list[i].state == BREAKER_CLOSED && (!oldest || b->list[i].touched_ms < oldest->touched_ms))
			oldest = &b->list[i];
	return oldest;
}

static struct breaker *find_or_make(struct breakers *b, const char *name)
{
	struct breaker *k = find(b, name);

	if (k)
		return k;
	k = make_room(b);
	if (k) {
		*k = (struct breaker){ 0 };
		snprintf(k->name, sizeof k->name, "%s", name);
	}
	return k;
}

static bool is_triton(const char *name)
{
	return strcmp(name, "triton") == 0;
}

static int64_t bounded(int64_t v, int64_t least, int64_t most)
{
	return v < least ? least : v > most ? most : v;
}

unsigned breakers_interval_ms(const struct breakers *b, const char *name, unsigned probes)
{
	unsigned most = is_triton(name) ? TRITON_PROBE_MS : (unsigned)bounded(b->probe_s, 1, 86400) * 1000, ms = FIRST_PROBE_MS;

	while (probes-- && ms < most)
		ms *= 2;
	return min_of(ms, most);
}

static void open_it(struct breakers *b, struct breaker *k, int64_t now_ms)
{
	uint8_t random[(BREAKER_OPENING - 1) / 2];

	randombytes_buf(random, sizeof random);
	sodium_bin2hex(k->opening, sizeof k->opening, random, sizeof random);
	k->state = BREAKER_OPEN;
	k->since_ms = now_ms;
	k->probes = 0;
	k->is_probing = false;
	k->next_probe_ms = now_ms + breakers_interval_ms(b, k->name, 0);
	k->is_news = true;
	metric_add(METRIC_BREAKER_OPENS, 1);
	log_warn("breaker.open", "backend=%s faults=%u why=%s", log_quote(k->name), k->faults, log_quote(k->why));
}

static void close_it(struct breaker *k, int64_t now_ms)
{
	log_info("breaker.closed", "backend=%s open_s=%lld probes=%u", log_quote(k->name), (long long)(now_ms - k->since_ms) / 1000, k->probes);
	k->state = BREAKER_CLOSED;
	k->faults = 0;
	k->is_probing = false;
	k->closed_ms = now_ms;
}

/* ---- what reports say ---- */

void breakers_fault(struct breakers *b, const char *name, const char *why, bool was_probe, int64_t now_ms)
{
	struct breaker *k;

	scoped_lock(b);
	k = find_or_make(b, name);
	if (!k)
		return;
	k->touched_ms = now_ms;
	k->faults++;
	snprintf(k->why, sizeof k->why, "%s", why);
	if (k->state == BREAKER_CLOSED && k->faults >= BREAKER_OPENS_AFTER)
		open_it(b, k, now_ms);
	if (k->state == BREAKER_OPEN && was_probe) {
		k->probes++;
		k->is_probing = false;
		k->next_probe_ms = now_ms + breakers_interval_ms(b, name, k->probes);
		k->is_news = true;
	}
}

void breakers_answer(struct breakers *b, const char *name, int64_t now_ms)
{
	struct breaker *k;

	if (!b->n)
		return;
	scoped_lock(b);
	k = find(b, name);
	if (!k)
		return;
	k->touched_ms = now_ms;
	k->faults = 0;
	if (k->state == BREAKER_CLOSED)
		return;
	close_it(k, now_ms);
	k->is_news = true;
}

void breakers_deferral(struct breakers *b, const char *name, int64_t now_ms)
{
	struct breaker *k;

	scoped_lock(b);
	k = find(b, name);
	if (k)
		k->touched_ms = now_ms;
}

static bool is_overdue(const struct breakers *b, const struct breaker *k, int64_t now_ms)
{
	return k->state == BREAKER_OVERDUE || (k->state == BREAKER_OPEN && now_ms - k->since_ms >= (int64_t)b->patience_s * 1000);
}

bool breakers_pardon(struct breakers *b, const char *name, int64_t now_ms)
{
	struct breaker *k;

	scoped_lock(b);
	k = find_or_make(b, name);
	if (!k)
		return is_triton(name);
	if (is_overdue(b, k, now_ms))
		return false;
	if (k->state == BREAKER_CLOSED) {
		k->touched_ms = now_ms;
		k->judged++;
	}
	return is_triton(name) || k->state == BREAKER_OPEN || k->faults + k->judged > BREAKER_OPENS_AFTER;
}

void breakers_judging(struct breakers *b)
{
	if (!b->n)
		return;
	scoped_lock(b);
	for (size_t i = 0; i < b->n; i++)
		b->list[i].judged = 0;
}

bool breakers_is_open(struct breakers *b, const char *name)
{
	const struct breaker *k;

	if (!b->n)
		return false;
	scoped_lock(b);
	k = find(b, name);
	return k && k->state == BREAKER_OPEN;
}

/* ---- what may be pushed ---- */

bool breakers_may_flow(struct breakers *b, const char *name, int64_t now_ms)
{
	const struct breaker *k;

	scoped_lock(b);
	k = find(b, name);
	return !k || k->state == BREAKER_OVERDUE || (k->state == BREAKER_CLOSED && (!k->closed_ms || now_ms - k->closed_ms >= HEARD_MS));
}

bool breakers_wants_probe(struct breakers *b, const char *name, int64_t now_ms, struct breaker *ret)
{
	const struct breaker *k;

	scoped_lock(b);
	k = find(b, name);
	if (!k || k->state != BREAKER_OPEN || now_ms < k->next_probe_ms)
		return false;
	*ret = *k;
	return true;
}

void breakers_probing(struct breakers *b, const char *name, int64_t now_ms)
{
	struct breaker *k;

	scoped_lock(b);
	k = find(b, name);
	if (!k || k->state != BREAKER_OPEN)
		return;
	k->is_probing = true;
	k->next_probe_ms = now_ms + breakers_interval_ms(b, name, k->probes);
	k->is_news = true;
}

void breakers_hold(struct breakers *b, const char *name, int64_t until_ms)
{
	struct breaker *k;

	scoped_lock(b);
	k = find(b, name);
	if (!k || k->state != BREAKER_OPEN)
		return;
	k->is_probing = false;
	k->next_probe_ms = max_of(k->next_probe_ms, until_ms);
}

void breakers_waiting(struct breakers *b, const char *name, int64_t n)
{
	struct breaker *k;

	scoped_lock(b);
	k = find(b, name);
	if (k)
		k->waiting = n;
}

/* ---- time ---- */

static bool is_forgotten(const struct breaker *k, int64_t now_ms)
{
	int64_t idle_ms = now_ms - k->touched_ms;

	if (k->is_news)
		return false;
	if (k->state == BREAKER_CLOSED && !k->faults)
		return now_ms - max_of(k->closed_ms, k->touched_ms) >= CLOSED_KEPT_MS;
	return k->state == BREAKER_CLOSED && idle_ms >= IDLE_MS;
}

void breakers_tick(struct breakers *b, int64_t now_ms)
{
	if (!b->n)
		return;
	scoped_lock(b);
	for (size_t i = b->n; i-- > 0;) {
		struct breaker *k = &b->list[i];

		if (k->state == BREAKER_OPEN && is_overdue(b, k, now_ms)) {
			k->state = BREAKER_OVERDUE;
			k->is_probing = false;          /* that of a cancelled job never comes back */
			k->is_news = true;
			log_warn("breaker.overdue", "backend=%s open_s=%lld why=%s", log_quote(k->name), (long long)(now_ms - k->since_ms) / 1000,
				log_quote(k->why));
		}
		if (k->state != BREAKER_CLOSED && now_ms - k->touched_ms >= IDLE_MS && !k->is_probing) {
			close_it(k, now_ms);            /* nobody needs it; the next step that does finds out */
			k->is_news = true;
		}
		if (is_forgotten(k, now_ms))
			*k = b->list[--b->n];
	}
}

struct breaker *breakers_all(struct breakers *b, size_t *ret_n)
{
	struct breaker *all;

	scoped_lock(b);
	*ret_n = b->n;
	all = xcalloc(b->n, sizeof *all);
	memcpy(all, b->list, b->n * sizeof *all);
	return all;
}

size_t breakers_count(struct breakers *b)
{
	return b->n;
}

/* ---- what others know ---- */

/* Of the same opening. A closing wins over anything else, then who knows of more probes, then what is unsaved here. */
static void merge_same(struct breaker *k, const struct breaker *remote, int64_t now_ms)
{
	if (remote->state == BREAKER_CLOSED) {
		if (k->state != BREAKER_CLOSED)
			close_it(k, now_ms);
		k->is_news = false;
		return;
	}
	if (k->state == BREAKER_CLOSED) {       /* a dispatcher that had not heard of it wrote it again */
		k->is_news = true;
		return;
	}
	if (remote->state == BREAKER_OVERDUE) {
		k->state = BREAKER_OVERDUE;
		k->is_probing = false;
	}
	if (remote->probes < k->probes)
		k->is_news = true;
	if (remote->probes < k->probes || (remote->probes == k->probes && k->is_news))
		return;
	if (k->probes != remote->probes || k->is_probing != remote->is_probing) {
		k->touched_ms = now_ms;
		k->next_probe_ms = remote->next_probe_ms;
	}
	k->is_news = false;
	k->waiting = remote->waiting;
	k->probes = remote->probes;
	k->is_probing = remote->is_probing;
	k->next_probe_ms = min_of(k->next_probe_ms, remote->next_probe_ms);     /* who reads it again shall not wait again */
}

/* Clocks of other machines are not ours, and ours may have been put right since: nobody has to wait longer than he would for a
 * probe of his own. */
static struct breaker in_time(const struct breakers *b, const struct breaker *remote, int64_t now_ms)
{
	struct breaker k = *remote;

	k.next_probe_ms = min_of(k.next_probe_ms, now_ms + breakers_interval_ms(b, k.name, k.probes));
	return k;
}

void breakers_merge(struct breakers *b, const struct breaker *told, int64_t now_ms)
{
	const struct breaker timely = in_time(b, told, now_ms), *remote = &timely;
	struct breaker *k;

	scoped_lock(b);
	k = find(b, remote->name);
	if (k && strcmp(k->opening, remote->opening) == 0) {
		merge_same(k, remote, now_ms);
		return;
	}
	if (remote->state == BREAKER_CLOSED)
		return;                         /* of another opening than ours */
	k = k ? k : find_or_make(b, remote->name);
	if (!k)
		return;
	log_info("breaker.known", "backend=%s why=%s", log_quote(remote->name), log_quote(remote->why));
	*k = *remote;
	k->is_news = false;
	k->touched_ms = now_ms;
}

void breakers_told(struct breakers *b, const char *name, const char *opening)
{
	struct breaker *k;

	scoped_lock(b);
	k = find(b, name);
	if (k && strcmp(k->opening, opening) == 0)
		k->is_news = false;
}

/* ---- as JSON ---- */

static const char *state_name(const struct breaker *k)
{
	switch (k->state) {
	case BREAKER_CLOSED: return "closed";
	case BREAKER_OVERDUE: return "overdue";
	case BREAKER_OPEN: return k->is_probing ? "half_open" : "open";
	}
	return "closed";
}

json_t *breaker_json(const struct breaker *k, int64_t now_ms, int64_t wall_us)
{
	char since[CLOCK_TEXT], next[CLOCK_TEXT];
	json_t *why = json_string(k->why);      /* NULL: was cut in the middle of a character */

	clock_format(wall_us - (now_ms - k->since_ms) * 1000, since);
	clock_format(wall_us + (k->next_probe_ms - now_ms) * 1000, next);
	return json_pack("{s:s, s:s, s:s, s:o, s:i, s:i, s:I, s:s, s:s}", "backend", k->name, "state", state_name(k), "since", since,
		"why", why ? why : json_string("?"), "faults", (int)min_of(k->faults, 1000000000u), "probes", (int)k->probes,
		"waiting", (json_int_t)k->waiting, "next_probe", next, "opening", k->opening);
}

static bool read_state(const char *s, struct breaker *ret)
{
	if (!s)
		return false;
	ret->is_probing = strcmp(s, "half_open") == 0;
	ret->state = ret->is_probing || strcmp(s, "open") == 0 ? BREAKER_OPEN : strcmp(s, "overdue") == 0 ? BREAKER_OVERDUE : BREAKER_CLOSED;
	return ret->state != BREAKER_CLOSED || strcmp(s, "closed") == 0;
}

bool breaker_parse(const json_t *o, int64_t now_ms, int64_t wall_us, struct breaker *ret)
{
	const char *name = json_string_value(json_object_get(o, "backend")), *why = json_string_value(json_object_get(o, "why"));
	const char *opening = json_string_value(json_object_get(o, "opening"));
	json_int_t faults = json_integer_value(json_object_get(o, "faults")), probes = json_integer_value(json_object_get(o, "probes"));
	struct breaker k = { 0 };
	int64_t since_us, next_us;

	if (!breaker_is_name(name) || !opening || strlen(opening) != BREAKER_OPENING - 1 ||
	    !read_state(json_string_value(json_object_get(o, "state")), &k) ||
	    fleet_time_parse(json_string_value(json_object_get(o, "since")), &since_us) < 0 ||
	    fleet_time_parse(json_string_value(json_object_get(o, "next_probe")), &next_us) < 0)
		return false;
	snprintf(k.name, sizeof k.name, "%s", name);
	snprintf(k.opening, sizeof k.opening, "%s", opening);
	snprintf(k.why, sizeof k.why, "%s", why ? why : "?");
	k.faults = (unsigned)bounded(faults, BREAKER_OPENS_AFTER, 1000000);
	k.probes = (unsigned)bounded(probes, 0, 1000000);
	k.waiting = max_of(json_integer_value(json_object_get(o, "waiting")), (json_int_t)0);
	/* clocks of other machines are not ours: nothing that they say may be too far off */
	k.since_ms = now_ms - bounded((wall_us - since_us) / 1000, 0, REMOTE_AGE_MAX);
	k.next_probe_ms = now_ms + bounded((next_us - wall_us) / 1000, -60000, 60000);
	*ret = k;
	return true;
}
