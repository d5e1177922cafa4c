#include "picture.h"
#include "studio.h"
#include "test.h"

#include <string.h>

static json_t *metadata(int fd)
{
	struct shot s = { 0 };
	json_t *data;

	studio_run(&s, "metadata", "{}", fd, NULL);
	if (s.result < 0)
		fail_msg("%s", s.err.msg);
	assert_int_equal(s.n, 0);
	data = json_incref(s.data);
	studio_done(&s);
	return data;
}

static void expect(const json_t *data, const char *want)
{
	json_t *fields = json_loads(want, JSON_DECODE_ANY, NULL), *value;
	const char *name;

	assert_non_null(fields);
	json_object_foreach(fields, name, value)
		if (!json_equal(json_object_get(data, name), value))
			fail_msg("%s is %s", name, json_dumps(json_object_get(data, name), JSON_ENCODE_ANY));
	json_decref(fields);
}

TEST(metadata_describes_the_upright_picture)
{
	json_t *data = metadata(studio_file(studio_turned(studio_photo(60, 40), 6), "a.jpg"));

	expect(data, "{\"width\":40,\"height\":60,\"bands\":3,\"bits\":8,\"format\":\"jpeg\",\"orientation\":6,"
		"\"interpretation\":\"srgb\",\"has_alpha\":false,\"has_profile\":false,\"pages\":1}");
	json_decref(data);
}

TEST(metadata_knows_alpha_depth_pages_and_profile)
{
	VipsImage *film = studio_photo(20, 50), *photo = studio_photo(60, 40), *p3;
	json_t *data = metadata(studio_file(studio_with_alpha(60, 40), "a.png"));

	expect(data, "{\"bands\":4,\"has_alpha\":true,\"format\":\"png\"}");
	json_decref(data);
	data = metadata(studio_file(studio_wide(60, 40), "a.png"));
	expect(data, "{\"bits\":16,\"interpretation\":\"rgb16\"}");
	json_decref(data);
	vips_image_set_int(film, VIPS_META_PAGE_HEIGHT, 10);
	data = metadata(studio_file(film, "a.webp"));
	expect(data, "{\"pages\":5,\"width\":20,\"height\":10,\"format\":\"webp\"}");
	json_decref(data);
	assert_int_equal(vips_icc_transform(photo, &p3, "p3", "input_profile", "srgb", NULL), 0);
	image_unref(photo);
	data = metadata(studio_file(p3, "a.jpg"));
	expect(data, "{\"has_profile\":true}");
	json_decref(data);
}

TEST(metadata_lists_exif_as_readable_text)
{
	VipsImage *photo = studio_photo(60, 40), *copy;
	json_t *data, *exif;

	assert_int_equal(vips_copy(photo, &copy, NULL), 0);
	image_unref(photo);
	vips_image_set_string(copy, "exif-ifd0-Make", "Kamera (Werk (2))");
	vips_image_set_string(copy, "exif-ifd2-FNumber", "8/1 (f/8.0, Rational, 1 components, 8 bytes)");
	data = metadata(studio_file(copy, "a.jpg"));
	exif = json_object_get(data, "exif");
	assert_string_equal(json_string_value(json_object_get(exif, "FNumber")), "8/1");
	assert_non_null(json_object_get(exif, "Make"));
	assert_null(json_object_get(exif, "XResolution"));
	json_decref(data);
}

TEST(metadata_makes_text_of_any_bytes)
{
	VipsImage *photo = studio_photo(60, 40), *copy;
	char bad[400];
	json_t *data;
	const char *model;

	memset(bad, 'x', sizeof bad - 1);
	bad[sizeof bad - 1] = '\0';
	memcpy(bad, "a\xff\x01", 3);
	assert_int_equal(vips_copy(photo, &copy, NULL), 0);
	image_unref(photo);
	vips_image_set_string(copy, "exif-ifd0-Model", bad);
	data = metadata(studio_file(copy, "a.jpg"));
	model = json_string_value(json_object_get(json_object_get(data, "exif"), "Model"));
	assert_non_null(model);
	assert_true(g_utf8_validate(model, -1, NULL));
	assert_true(strlen(model) < 300);
	json_decref(data);
}
