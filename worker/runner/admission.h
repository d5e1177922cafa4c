/*
 * admission.h - what a picture will take in memory, estimated from its header, and the question
 * to the worker whether there is so much. It comes before the decoder.
 *
 * The estimate is what the process grows by, as an upper bound: with it the process is at most
 * three times as large as was measured (tests/integration/test_admission_estimate.py measures again). What is known of
 * libvips 8.14 and the codecs, for a picture of w x h pixels, D = w x h x bands x bytes of a band:
 *
 *	JPEG, TIFF, PNG         stream: some hundred lines
 *	JPEG, progressive       all coefficients, 2 D, whatever it is shrunk to
 *	PNG, interlaced         all of it, D
 *	WebP                    8 bytes a pixel (its own canvas, and libwebp's), of the scaled picture; one without
 *	                        loss is decoded at full size first, 4 bytes a pixel
 *	GIF, HEIF               8 bytes a pixel (HEIF of more than 8 bits: twice)
 *	read in any order       a copy, D
 *	resized                 up to D, with alpha half more, for the lines that a result's tile needs
 *	turned upright          the resized one, twice
 *	saved as JPEG           7 bytes a pixel of the result, 4 where colours are halved (quality under 90)
 *	saved as WebP           8 bytes a pixel, with alpha 18, without loss 28
 *
 * Of a file of many pages one is decoded, so one is counted; MAX_IMAGE_SIZE counts them all. What a header does
 * not tell (a TIFF that is one huge tile) is left to the limit of the process's address space. Of a picture whose pixels were kept
 * (decoded.h) as much is asked for, though no decoder runs: whether a step is refused shall not depend on that.
 */
#ifndef ADMISSION_H
#define ADMISSION_H

#include "picture.h"

struct admission {
	const char *format;
	double width, height;           /* of the file's page */
	int bands, band_bytes;
	bool has_alpha, is_interlaced, is_lossless;
	double shrink;                  /* the decoder's, of each side; 1: none */
	bool is_whole, is_resized, is_turned;
	double result_pixels;           /* of the largest one that is saved; 0: none */
	double saver;                   /* bytes a pixel of the result */
	double more_bytes;              /* that the tool keeps besides */
};

double admission_bytes(const struct admission *a);

/* Bytes a pixel that writing takes; `over` as in picture_write, or NULL. */
double admission_saver(const struct runner_job *job, const struct picture *p, const json_t *over);

/* Asks for what decoding p takes in this way; returns when it may. ERR_REJECT: it never will. Only
 * the fields from shrink on of `how` count, and the rest is filled in from p. A picture that was opened without a job asks nobody. */
int picture_admit(const struct picture *p, struct admission how, struct err *err) must_use;

#endif
