#include "sniff.h"

#include <stdio.h>
#include <string.h>

#define READ_TYPES "jpeg, png, webp, gif, tiff, heif, avif"

static const struct picture_type heif = { "heif", "image/heif" }, avif = { "avif", "image/avif" };

struct magic {
	const char *bytes;
	size_t at, n;
	const char *more;               /* also at offset 8, or NULL */
	struct picture_type type;       /* media_type NULL: known, and not read */
};

#define MAGIC(bytes, ...) { bytes, 0, sizeof(bytes) - 1, __VA_ARGS__ }

static const struct magic magics[] = {
	MAGIC("\xff\xd8\xff", NULL, { "jpeg", "image/jpeg" }),
	MAGIC("\x89PNG\r\n\x1a\n", NULL, { "png", "image/png" }),
	MAGIC("RIFF", "WEBP", { "webp", "image/webp" }),
	MAGIC("GIF87a", NULL, { "gif", "image/gif" }),
	MAGIC("GIF89a", NULL, { "gif", "image/gif" }),
	MAGIC("II*\0", NULL, { "tiff", "image/tiff" }),
	MAGIC("MM\0*", NULL, { "tiff", "image/tiff" }),
	MAGIC("II+\0", NULL, { "tiff", "image/tiff" }),
	MAGIC("MM\0+", NULL, { "tiff", "image/tiff" }),
	MAGIC("\xff\x0a", NULL, { "JPEG XL picture", NULL }),
	MAGIC("\0\0\0\x0cJXL ", NULL, { "JPEG XL picture", NULL }),
	MAGIC("\0\0\0\x0cjP  ", NULL, { "JPEG 2000 picture", NULL }),
	MAGIC("BM", NULL, { "BMP picture", NULL }),
	MAGIC("8BPS", NULL, { "Photoshop document", NULL }),
	MAGIC("%PDF-", NULL, { "PDF document", NULL }),
	MAGIC("%!PS", NULL, { "PostScript document", NULL }),
	MAGIC("<svg", NULL, { "SVG drawing", NULL }),
	MAGIC("<?xml", NULL, { "XML or SVG document", NULL }),
	MAGIC("<!DOCTYPE", NULL, { "HTML or XML page", NULL }),
	MAGIC("<html", NULL, { "HTML page", NULL }),
	MAGIC("PK\x03\x04", NULL, { "ZIP archive", NULL }),
	MAGIC("\x1f\x8b", NULL, { "gzip archive", NULL }),
};

/* ISO base media files (ISO/IEC 14496-12): a box "ftyp" of brands, the major one first. */
static const struct picture_type *sniff_brands(const char *head, size_t n)
{
	static const char *const heif_brands[] = { "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "mif2" };
	const struct picture_type *found = NULL;
	size_t box = n < 12 ? 0 : (size_t)(unsigned char)head[2] << 8 | (unsigned char)head[3];

	if (n < 12 || memcmp(head + 4, "ftyp", 4) != 0)
		return NULL;
	for (size_t at = 8; at + 4 <= min_of(n, box); at += at == 8 ? 8 : 4) {
		if (memcmp(head + at, "avif", 4) == 0 || memcmp(head + at, "avis", 4) == 0)
			return &avif;
		for (size_t i = 0; i < countof(heif_brands); i++)
			if (memcmp(head + at, heif_brands[i], 4) == 0)
				found = &heif;
	}
	return found;
}

static void printable(const char *head, size_t n, char *out, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < min_of(n, (size_t)16) && at + 5 < size; i++) {
		unsigned char c = (unsigned char)head[i];

		at += (size_t)snprintf(out + at, size - at, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
	}
	out[at] = '\0';
}

int sniff_picture(const void *bytes, size_t n, const struct picture_type **ret, struct err *err)
{
	const char *head = bytes;
	const struct picture_type *type = sniff_brands(head, n);
	char text[80];

	for (size_t i = 0; i < countof(magics) && !type; i++) {
		const struct magic *m = &magics[i];

		if (n >= m->n && memcmp(head, m->bytes, m->n) == 0 && (!m->more || (n >= 12 && memcmp(head + 8, m->more, 4) == 0)))
			type = &m->type;
	}
	if (type && type->media_type) {
		*ret = type;
		return 0;
	}
	if (n == 0)
		return err_set(err, ERR_REJECT, "the file is empty");
	if (type)
		return err_set(err, ERR_REJECT, "not a picture that pixelfleet reads (" READ_TYPES "): it is a %s", type->name);
	printable(head, n, text, sizeof text);
	return err_set(err, ERR_REJECT, "not a picture that pixelfleet reads (" READ_TYPES "): starts with '%s'", text);
}
