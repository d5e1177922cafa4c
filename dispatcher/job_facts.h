/*
 * job_facts.h - what never changes of jobs that were seen lately: which definition, how many pictures. With it the ledger
 * knows which instances a report is about before it has read the job's row, and asks for the row and them at once.
 *
 * Bounded: a table of fixed size, where a job takes the place of another one when there is none left. They are a hint:
 * who uses them loads the row as well, and then knows.
 */
#ifndef JOB_FACTS_H
#define JOB_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job_facts {
	int64_t definition;
	int items, total;
};

void job_facts_put(const uint8_t id[16], const struct job_facts *f);
bool job_facts_get(const uint8_t id[16], struct job_facts *ret);

#endif
