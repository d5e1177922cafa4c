#include "fault.h"

#include "base.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
#define PAGE_BYTES 4096

struct fault_page {
	_Atomic int64_t clock_s;
	struct {
		_Atomic int64_t hits, due;
	} points[countof(points)];
};
_Static_assert(sizeof(struct fault_page) <= PAGE_BYTES, "the tests make files of this size");

static struct fault_page own, *page = &own;

/* Before main(): a runner that has entered its sandbox opens no more files. */
__attribute__((constructor)) static void open_page(void)
{
	const char *path = getenv("FAULT_PAGE");
	scoped(close_p) int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		page = at;
}

int64_t fault_clock_us(void)
{
	return page->clock_s * 1000000;
}

static bool is_due(const char *plan, const char *name, long hit)
{
	size_t n = strlen(name);

	for (const char *p = plan; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (strncmp(p, name, n) == 0 && p[n] == '=' && (p[n + 1] == '*' || strtol(p + n + 1, NULL, 10) == hit))
			return true;
	return false;
}

static bool reach(size_t i)
{
	bool planned = is_due(getenv("FAULT"), points[i].name, ++points[i].hits);

	return ++page->points[i].hits == page->points[i].due || planned;
}

bool fault(const char *name)
{
	for (size_t i = 0; i < countof(points); i++)
		if (strcmp(points[i].name, name) == 0)
			return reach(i);
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
