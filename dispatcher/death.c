#include "death.h"

#include <stdio.h>
#include <string.h>

#include <sodium.h>

void death_run(const struct op *op, char text[37])
{
	scoped(free_p) char *what = xasprintf("%s %s %d %d", op->text, op->job, op->ordinal, op->attempt);
	uint8_t h[16];
	char hex[33];

	crypto_generichash(h, sizeof h, (const uint8_t *)what, strlen(what), NULL, 0);
	sodium_bin2hex(hex, sizeof hex, h, sizeof h);
	snprintf(text, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static int find_charged(struct pg *pg, struct op *op, struct err *err)
{
	scoped(PQclear_p) PGresult *r = NULL;
	scoped(free_p) char *ordinal = xasprintf("%d", op->ordinal);
	char run[37];

	death_run(op, run);
	if (pg_send(pg, err, "SELECT 1 FROM attempt WHERE job = $1::uuid AND ordinal = $2::int AND run = $3::uuid",
			PG_VALUES(op->job, ordinal, run)) < 0 || pg_wait(pg, &r, err) < 0)
		return -1;
	op->was_charged = PQntuples(r) > 0;
	return 0;
}

int deaths_find_charged(struct pg *pg, struct op **ops, size_t n, struct err *err)
{
	for (size_t k = 0; k < n; k++)
		if (ops[k]->kind == OP_DEATH && find_charged(pg, ops[k], err) < 0)
			return -1;
	return 0;
}
