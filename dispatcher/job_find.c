#include "job_find.h"

#include <string.h>

int job_find(struct request *req, const char *name, char ret[UUID_TEXT])
{
	scoped(PQclear_p) PGresult *r = NULL, *by_key = NULL;

	if (uuid_is(name)) {
		if (request_query(req, &r, "SELECT id FROM job WHERE id = $1::uuid", PG_VALUES(name)) < 0)
			return -1;
		if (PQntuples(r) == 1) {
			memcpy(ret, name, UUID_TEXT);
			return 0;
		}
	}
	if (request_query(req, &by_key, "SELECT job FROM job_key WHERE key = $1", PG_VALUES(name)) < 0)
		return -1;
	if (PQntuples(by_key) != 1) {
		answer_error(req, 404, "there is no job '%.200s'", name);
		return -1;
	}
	memcpy(ret, pg_text(by_key, 0, 0), UUID_TEXT);
	return 0;
}
