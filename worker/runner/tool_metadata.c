/*
 * tool_metadata.c - what a picture's header says; nothing is decoded. As `vipsheader -a IN`.
 *
 *	{"width":4000,"height":3000,"bands":3,"bits":8,"format":"jpeg","orientation":6,"interpretation":"srgb",
 *	 "has_alpha":false,"has_profile":true,"pages":1,"exif":{"Make":"Canon","FNumber":"f/8.0"}}
 *
 * width and height are of the upright picture, one page. `exif` has only what the table names, as text.
 */
#include "picture.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TEXT = 200 };

/* libvips names a field exif-ifdN-NAME: 0 the picture, 2 how it was taken, 3 where. */
static const struct {
	const char *field, *name;
} fields[] = {
	{ "exif-ifd0-Make", "Make" },
	{ "exif-ifd0-Model", "Model" },
	{ "exif-ifd0-Software", "Software" },
	{ "exif-ifd0-DateTime", "DateTime" },
	{ "exif-ifd0-Artist", "Artist" },
	{ "exif-ifd0-Copyright", "Copyright" },
	{ "exif-ifd0-ImageDescription", "ImageDescription" },
	{ "exif-ifd2-DateTimeOriginal", "DateTimeOriginal" },
	{ "exif-ifd2-OffsetTimeOriginal", "OffsetTimeOriginal" },
	{ "exif-ifd2-ExposureTime", "ExposureTime" },
	{ "exif-ifd2-FNumber", "FNumber" },
	{ "exif-ifd2-ISOSpeedRatings", "ISOSpeedRatings" },
	{ "exif-ifd2-ExposureBiasValue", "ExposureBiasValue" },
	{ "exif-ifd2-ExposureProgram", "ExposureProgram" },
	{ "exif-ifd2-MeteringMode", "MeteringMode" },
	{ "exif-ifd2-Flash", "Flash" },
	{ "exif-ifd2-WhiteBalance", "WhiteBalance" },
	{ "exif-ifd2-FocalLength", "FocalLength" },
	{ "exif-ifd2-FocalLengthIn35mmFilm", "FocalLengthIn35mmFilm" },
	{ "exif-ifd2-LensMake", "LensMake" },
	{ "exif-ifd2-LensModel", "LensModel" },
	{ "exif-ifd3-GPSLatitudeRef", "GPSLatitudeRef" },
	{ "exif-ifd3-GPSLatitude", "GPSLatitude" },
	{ "exif-ifd3-GPSLongitudeRef", "GPSLongitudeRef" },
	{ "exif-ifd3-GPSLongitude", "GPSLongitude" },
	{ "exif-ifd3-GPSAltitude", "GPSAltitude" },
};

/* libvips writes "VALUE (VALUE, TYPE, N components, N bytes)": the part before the last parenthesis
 * that closes at the end. */
static size_t value_length(const char *text)
{
	size_t n = strlen(text), i = n;
	int depth = 0;

	if (n == 0 || text[n - 1] != ')')
		return n;
	while (i-- > 0) {
		depth += (text[i] == ')') - (text[i] == '(');
		if (depth == 0)
			break;
	}
	while (i > 0 && i < n && text[i - 1] == ' ')
		i--;
	return i < n ? i : n;
}

/* A camera may write anything: cut, made valid UTF-8, without control characters. */
static json_t *readable(const char *text)
{
	char *valid = g_utf8_make_valid(text, (gssize)min_of(value_length(text), (size_t)MOST_TEXT));
	json_t *value;

	for (char *s = valid; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
	value = json_string(g_strstrip(valid));
	g_free(valid);
	return value;
}

static json_t *exif(VipsImage *image)
{
	json_t *found = json_object();
	const char *text;

	for (size_t i = 0; i < countof(fields); i++)
		if (vips_image_get_typeof(image, fields[i].field) == VIPS_TYPE_REF_STRING &&
				vips_image_get_string(image, fields[i].field, &text) == 0)
			json_object_set_new(found, fields[i].name, readable(text));
	return found;
}

static int run(const struct runner_job *job, json_t **ret_data, struct err *err)
{
	scoped(picture_close) struct picture p = { 0 };
	const char *space;

	if (picture_open(job, &p, err) < 0)
		return -1;
	space = vips_enum_nick(VIPS_TYPE_INTERPRETATION, (int)vips_image_guess_interpretation(p.header));
	*ret_data = json_pack("{s:i,s:i,s:i,s:i,s:s,s:i,s:s,s:b,s:b,s:i,s:o}",
		"width", p.width, "height", p.height, "bands", p.header->Bands,
		"bits", (int)vips_format_sizeof(p.header->BandFmt) * 8,
		"format", p.format, "orientation", p.orientation, "interpretation", space,
		"has_alpha", vips_image_hasalpha(p.header), "has_profile", p.has_profile, "pages", p.pages,
		"exif", exif(p.header));
	return 0;
}

const struct runner_tool tool_metadata = { "metadata", run };
