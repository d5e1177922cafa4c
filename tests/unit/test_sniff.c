#include "test.h"

#include "sniff.h"

#include <string.h>

static const char *type_of(const char *head, size_t n)
{
	const struct picture_type *type;
	struct err err;

	return sniff_picture(head, n, &type, &err) == 0 ? type->name : NULL;
}

#define TYPE(head) type_of(head, sizeof(head) - 1)

TEST(sniff_knows_the_pictures_that_are_read)
{
	assert_string_equal(TYPE("\xff\xd8\xff\xe0"), "jpeg");
	assert_string_equal(TYPE("\x89PNG\r\n\x1a\n\0"), "png");
	assert_string_equal(TYPE("RIFF\x10\0\0\0WEBPVP8 "), "webp");
	assert_string_equal(TYPE("GIF89a"), "gif");
	assert_string_equal(TYPE("II*\0\x08\0"), "tiff");
	assert_string_equal(TYPE("MM\0*\0\0"), "tiff");
	assert_string_equal(TYPE("II+\0\x08\0"), "tiff");
	assert_string_equal(TYPE("\0\0\0\x18" "ftypheic\0\0\0\0mif1heic"), "heif");
	assert_string_equal(TYPE("\0\0\0\x1c" "ftypmif1\0\0\0\0mif1miafavif"), "avif");
	assert_string_equal(TYPE("\0\0\0\x14" "ftypavif\0\0\0\0avif"), "avif");
}

TEST(sniff_names_what_it_does_not_read)
{
	static const struct { const char *head, *name; } cases[] = {
		{ "%PDF-1.7", "PDF" }, { "<svg xmlns", "SVG" }, { "<?xml version", "SVG" }, { "BM\x36\x10", "BMP" },
		{ "\xff\x0a\xfa", "JPEG XL" }, { "PK\x03\x04", "ZIP" },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		const struct picture_type *type;
		struct err err;

		assert_int_equal(sniff_picture(cases[i].head, strlen(cases[i].head), &type, &err), -1);
		assert_int_equal(err.kind, ERR_REJECT);
		assert_non_null(strstr(err.msg, cases[i].name));
	}
}

TEST(sniff_shows_the_first_bytes_of_the_unknown)
{
	const struct picture_type *type;
	struct err err;

	assert_int_equal(sniff_picture("he\0l\xfflo", 7, &type, &err), -1);
	assert_non_null(strstr(err.msg, "starts with 'he\\x00l\\xfflo'"));
	assert_int_equal(sniff_picture("", 0, &type, &err), -1);
	assert_non_null(strstr(err.msg, "empty"));
}

TEST(sniff_is_not_fooled_by_half_a_signature)
{
	assert_null(TYPE("\xff\xd8"));
	assert_null(TYPE("RIFF\x10\0\0\0WAVE"));
	assert_null(TYPE("\0\0\0\x14" "ftypmp42\0\0\0\0isom"));
	assert_null(TYPE("\0\0\0\x08" "ftypheic"));
}
