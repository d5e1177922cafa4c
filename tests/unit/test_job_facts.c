#include "job_facts.h"
#include "test.h"

#include <string.h>

static void id_of(int k, uint8_t id[16])
{
	memset(id, 0, 16);
	memcpy(id, &k, sizeof k);
	memcpy(id + 10, &(unsigned){ (unsigned)k * 7919 }, sizeof k);
}

TEST(facts_of_jobs_seen_lately_are_known_and_never_another_jobs)
{
	uint8_t id[16];
	struct job_facts f;
	int known = 0;

	for (int k = 1; k <= 100000; k++) {
		id_of(k, id);
		job_facts_put(id, &(struct job_facts){ k, 1, 2 });
		assert_true(job_facts_get(id, &f));
		assert_int_equal(f.definition, k);
	}
	for (int k = 1; k <= 100000; k++) {
		id_of(k, id);
		if (!job_facts_get(id, &f))
			continue;
		known++;
		assert_int_equal(f.definition, k);
	}
	assert_in_range(known, 40000, 65536);
	id_of(200001, id);
	assert_false(job_facts_get(id, &f));
}

TEST(newer_facts_of_a_job_replace_the_older)
{
	uint8_t id[16];
	struct job_facts f;

	id_of(300001, id);
	job_facts_put(id, &(struct job_facts){ 1, 1, 2 });
	job_facts_put(id, &(struct job_facts){ 2, 3, 4 });
	assert_true(job_facts_get(id, &f));
	assert_int_equal(f.definition, 2);
	assert_int_equal(f.total, 4);
}
