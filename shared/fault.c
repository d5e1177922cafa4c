#include "fault.h"

#include "base.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct fault_point {
	const char *name;
	const char *what;
	_Atomic long hits;
} points[] = {
#define FAULT(name, what) { name, what, 0 },
#include "fault.def"
#undef FAULT
};

#ifdef FAULTS
static bool is_due(const char *plan, const char *name, long hit)
{
	size_t n = strlen(name);

	for (const char *p = plan; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, name, n) == 0 && p[n] == '=' && (p[n + 1] == '*' || strtol(p + n + 1, NULL, 10) == hit))
			return true;
	return false;
}

bool fault(const char *name)
{
	for (size_t i = 0; i < countof(points); i++)
		if (strcmp(points[i].name, name) == 0)
			return is_due(getenv("FAULT"), name, ++points[i].hits);
	must(!"fault point not listed in fault.def");
	return false;
}
#endif

void fault_die(const char *name)
{
	if (fault(name))
		_exit(137);
}

void faults_print(FILE *to)
{
	for (size_t i = 0; i < countof(points); i++)
		fprintf(to, "%-22s %s\n", points[i].name, points[i].what);
}
