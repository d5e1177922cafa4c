"use strict";
// photo.js - the photo job by sharp: a JPEG of 640, a WebP of 250, and the statistics of 32x32 pixels, in the three ways
// in which people write it.
const fs = require("fs/promises");
const sharp = require("sharp");

// One thread a picture: the workers' processes and their concurrency use the cores. Pictures are read once, so no cache.
sharp.concurrency(1);
sharp.cache(false);

const fit = { fit: "inside" };
const jpeg = { quality: 85 };
const webp = { quality: 85 };

// sharp's own stats() also computes entropy and sharpness, which nobody asked for; this is the least work.
function statistics({ data, info }) {
	const bands = [];
	for (let band = 0; band < info.channels; band++) {
		let least = 255, greatest = 0, sum = 0, squares = 0;
		for (let i = band; i < data.length; i += info.channels) {
			const v = data[i];
			if (v < least) least = v;
			if (v > greatest) greatest = v;
			sum += v;
			squares += v * v;
		}
		const n = data.length / info.channels;
		bands.push({ min: least, max: greatest, mean: sum / n, deviation: Math.sqrt((squares - sum * sum / n) / (n - 1)) });
	}
	return { width: info.width, height: info.height, bands };
}

// libvips shrinks a JPEG while it decodes it, by what the resize leaves room for.
const decoded = (path, size) => sharp(path).autoOrient().resize(size, size, fit);
const pixels = ({ data, info }) => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
const raw = (image) => image.raw().toBuffer({ resolveWithObject: true });

async function once({ path, out }) {
	const small = await raw(decoded(path, 640));
	const [, , tiny] = await Promise.all([
		pixels(small).jpeg(jpeg).toFile(`${out}.jpg`),
		pixels(small).resize(250, 250, fit).webp(webp).toFile(`${out}.webp`),
		raw(pixels(small).resize(32, 32, fit)),
	]);
	return statistics(tiny);
}

const toJpeg = ({ path, out }) => decoded(path, 640).jpeg(jpeg).toFile(`${out}.jpg`);
const toWebp = ({ path, out }) => decoded(path, 250).webp(webp).toFile(`${out}.webp`);
const toStatistics = async ({ path }) => statistics(await raw(decoded(path, 32)));

async function thrice(photo) {
	const [, , found] = await Promise.all([toJpeg(photo), toWebp(photo), toStatistics(photo)]);
	return found;
}

// Separate steps that hand on the decoded pixels through a file, as they are.
async function firstOfChain({ path, out }) {
	const small = await raw(decoded(path, 640));
	await Promise.all([fs.writeFile(`${out}.raw`, small.data), pixels(small).jpeg(jpeg).toFile(`${out}.jpg`)]);
	return { width: small.info.width, height: small.info.height, channels: small.info.channels };
}

async function handedOn({ out }, info) {
	return pixels({ data: await fs.readFile(`${out}.raw`), info });
}

async function secondOfChain(photo, info) {
	await (await handedOn(photo, info)).resize(250, 250, fit).webp(webp).toFile(`${photo.out}.webp`);
	return info;
}

async function lastOfChain(photo, info) {
	const tiny = await raw((await handedOn(photo, info)).resize(32, 32, fit));
	await fs.unlink(`${photo.out}.raw`);
	return statistics(tiny);
}

module.exports = { once, thrice, toJpeg, toWebp, toStatistics, firstOfChain, secondOfChain, lastOfChain };
