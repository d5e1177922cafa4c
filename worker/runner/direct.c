#include "direct.h"

#include "log.h"
#include "output.h"
#include "registry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_PIXELS = 268435456 };

struct local {                  /* outputs are files, written beside their place and then moved there */
	struct runner_ctx ctx;
	const char *out;
	bool is_dir;
	size_t n;
};

static char *temporary(const struct local *l)
{
	return l->is_dir ? xasprintf("%s/.runner-%d", l->out, (int)getpid()) : xasprintf("%s.%d.tmp", l->out, (int)getpid());
}

static int open_file(struct runner_ctx *ctx, int *ret_fd, struct err *err)
{
	struct local *l = (struct local *)ctx;
	scoped(free_p) char *path = NULL;
	int fd;

	if (!l->out)
		return err_set(err, ERR_REJECT, "this tool writes a picture: name an output file");
	if (!l->is_dir && l->n > 0)
		return err_set(err, ERR_REJECT, "this tool writes more than one picture: name a directory");
	path = temporary(l);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_set(err, ERR_RETRY, "cannot write %s: %s", path, strerror(errno));
	l->n++;
	*ret_fd = fd;
	return 0;
}

/* Whoever calls a tool by hand is told, and may. */
static int tell_memory(struct runner_ctx *ctx, size_t bytes, const char *what, struct err *err)
{
	(void)ctx;
	(void)err;
	log_debug("runner.memory", "bytes=%zu what=%s", bytes, log_quote(what));
	return 0;
}

static int name_file(struct runner_ctx *ctx, int fd, const struct output *out, struct err *err)
{
	const struct local *l = (struct local *)ctx;
	const char *kind = strrchr(out->media_type, '/');
	scoped(free_p) char *path = temporary(l);
	scoped(free_p) char *to = l->is_dir ? xasprintf("%s/%s.%s", l->out, out->name, kind ? kind + 1 : "bin") : xstrdup(l->out);

	close(fd);
	if (l->is_dir && strchr(out->name, '/'))
		return err_set(err, ERR_REJECT, "'%s' is no file name", out->name);
	if (rename(path, to) < 0)
		return err_set(err, ERR_RETRY, "cannot write %s: %s", to, strerror(errno));
	return 0;
}

int direct_run(const char *tool, const char *params, const char *in, const char *out, struct err *err)
{
	scoped(close_p) int fd = open(in, O_RDONLY | O_CLOEXEC);
	scoped(json_decref_p) json_t *given = NULL;
	scoped(json_decref_p) json_t *data = NULL;
	struct stat st;
	struct local local = { .ctx = { .open = open_file, .done = name_file, .memory = tell_memory }, .out = out, .is_dir = out && stat(out, &st) == 0 && S_ISDIR(st.st_mode) };
	const struct job_input input = { .step = "source", .name = "picture", .media_type = "image/*", .fd = fd };
	struct runner_job job = { .tool = tool, .job = "direct", .step = tool, .attempt = 1, .final = true, .inputs = &input,
		.ninputs = 1, .max_pixels = MAX_PIXELS, .ctx = &local.ctx };
	json_error_t why;

	if (fd < 0)
		return err_set(err, ERR_REJECT, "cannot read %s: %s", in, strerror(errno));
	given = json_loads(params ? params : "{}", JSON_REJECT_DUPLICATES, &why);
	if (!json_is_object(given))
		return err_set(err, ERR_REJECT, "the parameters are not a JSON object: %s", given ? params : why.text);
	job.params = given;
	if (runner_run(&job, &data, err) < 0) {
		scoped(free_p) char *left = out ? temporary(&local) : NULL;

		if (left && local.n > 0)
			unlink(left);
		return -1;
	}
	if (data) {
		json_dumpf(data, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	return 0;
}
