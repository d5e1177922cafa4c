"use strict";
// bullmq.js - drives BullMQ for peers.py: one JSON object a line from standard input, one JSON object a line in answer.
//
//	{"do":"start","processes":2,"concurrency":100,"pipelining":true}   worker processes of that many jobs at once
//	{"do":"fill","kind":"noop","n":100000}      pauses the workers and adds jobs; {"s":..} is what the adding took
//	{"do":"release","kind":"noop","n":100000}   lets the workers go; {"s":..}, until the last job has ended
//	{"do":"through","kind":"noop","n":100000}   adds jobs while the workers work; {"s":..}, from the first add to the last end
//	{"do":"latency","kind":"events","n":300}    one no-op at a time on an idle system; {"ms":[..]}
//	{"do":"photos","kind":"once","photos":[{"path":..,"out":..}]}      {"s":..}
//	{"do":"stop"}
const { fork } = require("child_process");
const { performance } = require("perf_hooks");
const readline = require("readline");
const path = require("path");
const { Queue, QueueEvents, Worker, FlowProducer } = require("bullmq");

const server = { host: "127.0.0.1", port: Number(process.argv[2]), db: Number(process.argv[3]) };
const name = "bench";
const CHUNK = 1000;         // jobs of one addBulk, which is one pipeline
const now = () => performance.timeOrigin + performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let connection = server;
let queue, flows;
let workers = [];
let tally = null;           // what is being waited for: {left, at, resolve, reject}

function noted(message) {
	if (message.failed && tally)
		tally.reject(new Error(message.failed));
	if (!message.done || !tally)
		return;
	tally.left -= message.done;
	tally.at = Math.max(tally.at, message.at);
	if (tally.left <= 0)
		tally.resolve(tally.at);
}

// When so many more jobs have ended: the time at which the last one did.
function ended(count) {
	const end = new Promise((resolve, reject) => { tally = { left: count, at: 0, resolve, reject }; }).finally(() => { tally = null; });
	end.catch(() => {});    // whoever awaits it hears of it; until then it is nobody's
	return end;
}

function obeyed(worker, order) {
	return new Promise((resolve, reject) => {
		const hear = (message) => {
			if (message.obeyed !== order)
				return;
			worker.off("message", hear);
			worker.off("exit", gone);
			resolve();
		};
		const gone = (code) => (order === "quit" && code === 0 ? resolve() : reject(new Error(`a worker process ended with ${code}`)));
		worker.on("message", hear);
		worker.on("exit", gone);
	});
}

function all(order) {
	return Promise.all(workers.map((worker) => {
		worker.send({ order });
		return obeyed(worker, order);
	}));
}

// The kinds of work: what is added for one of them, how many completions that makes, and how many steps they are.
const leaf = () => ({ name: "noop", queueName: name });
const above = (...children) => ({ ...leaf(), children });
const kinds = {
	noop: { one: () => ({ name: "noop" }), completions: 1, steps: 1 },
	chain: { flow: () => above(above(leaf())), completions: 3, steps: 3 },
	tree: { flow: () => above(above(...Array.from({ length: 8 }, leaf))), completions: 10, steps: 10 },
	fan: { one: () => ({ name: "fan" }), completions: 10, steps: 10 },
	gather: { one: () => ({ name: "gather" }), completions: 9, steps: 10 },
};

async function add(kind, n) {
	const { one, flow } = kinds[kind];
	const size = flow ? CHUNK / 4 : CHUNK;
	for (let left = n; left > 0; left -= size) {
		const batch = Array.from({ length: Math.min(left, size) }, one || flow);
		await (one ? queue.addBulk(batch) : flows.addBulk(batch));
	}
}

async function empty() {
	const counts = await queue.getJobCounts("wait", "active", "waiting-children", "failed", "delayed", "prioritized");
	if (Object.values(counts).some((count) => count > 0))
		throw new Error(`jobs are left: ${JSON.stringify(counts)}`);
}

function photoJobs(kind, { path: from, out }) {
	const data = { path: from, out };
	const node = (step, ...children) => ({ name: step, queueName: name, data, children });
	if (kind === "flow")
		return { completions: 3, flow: node("statistics", node("jpeg"), node("webp")) };
	if (kind === "chain")
		return { completions: 3, flow: node("last", node("second", node("first"))) };
	return { completions: 1, one: { name: kind, data } };
}

// One at a time: whatever is heard of next is the end of it.
async function oneByOne(n, source) {
	let heard;
	source.on("completed", () => heard(now()));
	await source.waitUntilReady();
	const times = [];
	for (let i = 0; i < n; i++) {
		await sleep(5 + 20 * Math.random());
		const done = new Promise((resolve) => { heard = resolve; });
		const begin = now();
		await queue.add("noop", {});
		times.push(await done - begin);
	}
	await source.close();
	return times;
}

const latencies = {
	// The stream of events, which is what waitUntilFinished() waits on, without its question whether the job has ended already.
	events: (n) => oneByOne(n, new QueueEvents(name, { connection })),
	// Adder and worker in one process: the shortest way there is.
	"in-process": (n) => oneByOne(n, new Worker(name, async () => {}, { connection, removeOnComplete: { count: 0 } })),
};

const orders = {
	versions: () => ({
		node: process.version, bullmq: require("bullmq/package.json").version, ioredis: require("ioredis/package.json").version,
		sharp: require("sharp").versions.sharp, "sharp's libvips": require("sharp").versions.vips,
	}),

	async start({ processes, concurrency, pipelining }) {
		await orders.stop();
		connection = { ...server, enableAutoPipelining: Boolean(pipelining) };
		queue = new Queue(name, { connection });
		flows = new FlowProducer({ connection });
		await queue.waitUntilReady();
		const options = JSON.stringify({ queue: name, connection, concurrency });
		workers = Array.from({ length: processes }, () =>
			fork(path.join(__dirname, "bullmq_worker.js"), [options], { stdio: ["ignore", 2, 2, "ipc"] }));
		for (const worker of workers)
			worker.on("message", noted);
		await Promise.all(workers.map((worker) => obeyed(worker, "start")));
		return {};
	},

	async fill({ kind, n }) {
		await all("pause");
		const begin = now();
		await add(kind, n);
		return { s: (now() - begin) / 1000 };
	},

	async release({ kind, n }) {
		const end = ended(n * kinds[kind].completions);
		const begin = now();
		await all("resume");
		const s = (await end - begin) / 1000;
		await empty();
		return { s, steps: n * kinds[kind].steps };
	},

	async through({ kind, n }) {
		const end = ended(n * kinds[kind].completions);
		const begin = now();
		await add(kind, n);
		const s = (await end - begin) / 1000;
		await empty();
		return { s, steps: n * kinds[kind].steps };
	},

	async latency({ kind, n }) {
		return { ms: await latencies[kind](n) };
	},

	async photos({ kind, photos }) {
		const jobs = photos.map((photo) => photoJobs(kind, photo));
		const end = ended(jobs.reduce((sum, { completions }) => sum + completions, 0));
		const begin = now();
		if (jobs[0].flow)
			await flows.addBulk(jobs.map(({ flow }) => flow));
		else
			await queue.addBulk(jobs.map(({ one }) => one));
		const s = (await end - begin) / 1000;
		await empty();
		return { s };
	},

	async stop() {
		if (!queue)
			return {};
		await all("quit");
		workers = [];
		await queue.close();
		await flows.close();
		queue = null;
		return {};
	},
};

(async () => {
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const order = JSON.parse(line);
		let answer;
		try {
			answer = await orders[order.do](order);
		} catch (error) {
			answer = { error: String(error.stack) };
		}
		process.stdout.write(JSON.stringify(answer) + "\n");
	}
	await orders.stop();
	process.exit(0);
})();
