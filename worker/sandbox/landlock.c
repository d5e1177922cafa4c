#include "landlock.h"

#include "builds.h"
#include "readable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What newer kernels know; <linux/landlock.h> of Debian 12 ends with ABI 2. */
#define FS_TRUNCATE     (UINT64_C(1) << 14)     /* ABI 3 */
#define FS_IOCTL_DEV    (UINT64_C(1) << 15)     /* ABI 5 */
#define NET_TCP         UINT64_C(3)             /* ABI 4: bind, connect */
#define SCOPED          UINT64_C(3)             /* ABI 6: abstract sockets, signals */

#define FS_READ         (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_ABI_1        (((uint64_t)LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

enum { MOST_GPUS = 16 };

struct ruleset {
	uint64_t fs, net, scoped;
};

int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static int new_ruleset(int abi)
{
	struct ruleset r = { .fs = FS_ABI_1 };
	size_t size = abi < 4 ? sizeof r.fs : abi < 6 ? sizeof r.fs + sizeof r.net : sizeof r;

	r.fs |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
	r.fs |= abi >= 3 ? FS_TRUNCATE : 0;
	r.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
	r.net = abi >= 4 ? NET_TCP : 0;
	r.scoped = abi >= 6 ? SCOPED : 0;
	return (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
}

static int allow(int ruleset, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr rule = { .allowed_access = access };
	scoped(close_p) int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;               /* what is not there cannot be read */
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= ~(uint64_t)LANDLOCK_ACCESS_FS_READ_DIR;
	rule.parent_fd = fd;
	return (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
}

static int allow_reading(int ruleset, const char *path)
{
	return allow(ruleset, path, FS_READ);
}

static int allow_gpu(int ruleset, int abi)
{
	static const char *const devices[] = { "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset",
		"/dev/nvidia-caps" };
	static const char *const read[] = { "/proc", "/sys", "/etc/nvidia" };
	const uint64_t all = FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | (abi >= 5 ? FS_IOCTL_DEV : 0);
	char path[32];

	for (size_t i = 0; i < countof(devices); i++)
		if (allow(ruleset, devices[i], all) < 0)
			return -1;
	for (int i = 0; i < MOST_GPUS; i++) {
		snprintf(path, sizeof path, "/dev/nvidia%d", i);
		if (allow(ruleset, path, all) < 0)
			return -1;
	}
	for (size_t i = 0; i < countof(read); i++)
		if (allow_reading(ruleset, read[i]) < 0)
			return -1;
	return 0;
}

int landlock_enter(bool gpu)
{
	int abi = landlock_abi();
	scoped(close_p) int ruleset = -1;

	if (!abi || IS_COVERAGE)        /* counters are written at exit */
		return 0;
	ruleset = new_ruleset(abi);
	if (ruleset < 0)
		return errno == EOPNOTSUPP ? 0 : -1;
	for (size_t i = 0; readable_at(i); i++)
		if (allow_reading(ruleset, readable_at(i)) < 0)
			return -1;
	if (IS_SANITIZED && (allow_reading(ruleset, "/proc") < 0 || allow_reading(ruleset, "/proc/self/exe") < 0))
		return -1;
	if (gpu && allow_gpu(ruleset, abi) < 0)
		return -1;
	return (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
}
