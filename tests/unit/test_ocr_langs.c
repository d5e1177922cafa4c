#include "ocr_langs.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *data_of(const char *const codes[])
{
	static char dir[512];

	snprintf(dir, sizeof dir, "%s", test_dir());
	for (; *codes; codes++) {
		char name[64];
		int fd;

		snprintf(name, sizeof name, "%s.traineddata", *codes);
		fd = open(test_path(name), O_CREAT | O_WRONLY, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	return dir;
}

static int read_list(const char *names, const char *dir, char ret[OCR_LANGS], struct err *err)
{
	json_t *list = json_loads(names, 0, NULL);
	int r = ocr_langs_read(list, dir, ret, err);

	json_decref(list);
	return r;
}

TEST(ocr_langs_of_other_programs_become_tesseracts)
{
	const char *dir = data_of((const char *[]){ "eng", "jpn", "chi_sim", NULL });
	char list[OCR_LANGS];
	struct err err;

	assert_int_equal(read_list("[\"ch_sim,en\",\"ja\"]", dir, list, &err), 0);
	assert_string_equal(list, "chi_sim+eng+jpn");
	assert_int_equal(read_list("[\"jpn\",\" en, eng \",\"ja\"]", dir, list, &err), 0);
	assert_string_equal(list, "jpn+eng");
	assert_int_equal(read_list("[\"\"]", dir, list, &err), 0);
	assert_string_equal(list, "eng");
	assert_string_equal(ocr_lang_code("ko"), "kor");
	assert_string_equal(ocr_lang_code("xyz"), "xyz");
}

TEST(ocr_langs_without_data_name_the_package_and_the_place)
{
	const char *dir = data_of((const char *[]){ "eng", NULL });
	char list[OCR_LANGS];
	struct err err;

	assert_int_equal(read_list("[\"en\",\"ch_tra\"]", dir, list, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
	assert_non_null(strstr(err.msg, "'ch_tra'"));
	assert_non_null(strstr(err.msg, "tesseract-ocr-chi-tra"));
	assert_non_null(strstr(err.msg, dir));
}

TEST(ocr_langs_are_names_and_no_paths)
{
	const char *dir = data_of((const char *[]){ "eng", NULL });
	char list[OCR_LANGS];
	struct err err;

	assert_int_equal(read_list("[\"../eng\"]", dir, list, &err), -1);
	assert_int_equal(read_list("[\"/etc/passwd\"]", dir, list, &err), -1);
	assert_int_equal(read_list("[\"e ng;~\"]", dir, list, &err), -1);
	assert_int_equal(read_list("[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]", dir, list, &err), -1);
	assert_int_equal(err.kind, ERR_REJECT);
}

TEST(ocr_langs_are_looked_for_where_the_environment_says)
{
	scoped(buf_free) struct buf tried = { 0 };
	char dir[600];

	setenv("TESSDATA_PREFIX", test_dir(), 1);
	ocr_langs_dir(dir, sizeof dir, NULL);
	assert_string_equal(dir, test_dir());
	assert_int_equal(mkdir(test_path("tessdata"), 0700), 0);
	ocr_langs_dir(dir, sizeof dir, NULL);
	assert_string_equal(dir, test_path("tessdata"));
	setenv("TESSDATA_PREFIX", "/nowhere/at/all", 1);
	ocr_langs_dir(dir, sizeof dir, &tried);
	unsetenv("TESSDATA_PREFIX");
	assert_string_equal(dir, "");
	assert_string_equal(tried.text, "/nowhere/at/all");
}
