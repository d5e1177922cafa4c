#include "test.h"

#include "buf.h"
#include "folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *name)
{
	scoped(close_p) int fd = open(test_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
}

static json_t *list(size_t most, size_t *ret_odd)
{
	scoped(close_p) int fd = open(test_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	json_t *to = json_array();

	assert_int_equal(folder_pictures(fd, "/p/", most, to, ret_odd), 0);
	return to;
}

TEST(folder_lists_its_pictures_in_order)
{
	static const char *const names[] = { "b.PNG", "a.jpg", ".hidden.jpg", "notes.txt", "c.tar.gz", "png" };
	scoped(json_decref_p) json_t *to = NULL;
	size_t odd = 7;

	for (size_t i = 0; i < countof(names); i++)
		put(names[i]);
	to = list(100, &odd);
	assert_int_equal(odd, 0);
	assert_int_equal(json_array_size(to), 2);
	assert_string_equal(json_string_value(json_array_get(to, 0)), "/p/a.jpg");
	assert_string_equal(json_string_value(json_array_get(to, 1)), "/p/b.PNG");
}

TEST(folder_counts_names_that_are_no_plain_text)
{
	static const char *const names[] = { "line\nfeed.png", "\xff\xfe.png", "\x1b[2J.png", "\x7f.gif", "\xc3\xa4.png" };
	scoped(json_decref_p) json_t *to = NULL;
	size_t odd = 0;

	for (size_t i = 0; i < countof(names); i++)
		put(names[i]);
	to = list(100, &odd);
	assert_int_equal(odd, 4);
	assert_int_equal(json_array_size(to), 1);
}

TEST(folder_stops_when_there_are_more_than_wanted)
{
	scoped(json_decref_p) json_t *to = NULL;
	size_t odd = 0;

	for (char c = 'a'; c <= 'z'; c++)
		put((char[]){ c, '.', 'g', 'i', 'f', '\0' });
	to = list(5, &odd);
	assert_int_equal(json_array_size(to), 5);
}
