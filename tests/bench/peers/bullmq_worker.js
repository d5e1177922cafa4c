"use strict";
// bullmq_worker.js - one worker process of BullMQ, started by bullmq.js, which is told how many jobs have ended, and when.
const { performance } = require("perf_hooks");
const { Worker, FlowProducer, Queue, WaitingChildrenError } = require("bullmq");

const options = JSON.parse(process.argv[2]);
const { queue: name, connection } = options;
const now = () => performance.timeOrigin + performance.now();
const lazy = (make) => { let made; return () => (made ||= make()); };

// Only for the jobs that add jobs.
const flows = lazy(() => new FlowProducer({ connection }));
const queue = lazy(() => new Queue(name, { connection }));
const photo = lazy(() => require("./photo.js"));

// What the only child returned.
const fromChild = async (job) => Object.values(await job.getChildrenValues())[0];

const steps = {
	noop: async () => {},

	// 1 -> 8 -> 1: the first step adds a flow of the other nine.
	fan: async () => {
		await flows().add({ name: "noop", queueName: name,
			children: Array.from({ length: 8 }, () => ({ name: "noop", queueName: name })) });
	},

	// 1 -> 8 -> 1: the first step takes eight children, waits for them outside the worker, and is run again as the last one.
	gather: async (job, token) => {
		if (job.attemptsStarted > 1)        // costs nothing; with job.updateData() it would be one more command
			return;
		await queue().addBulk(Array.from({ length: 8 }, () => ({ name: "noop",
			opts: { parent: { id: job.id, queue: job.queueQualifiedName } } })));
		if (await job.moveToWaitingChildren(token))
			throw new WaitingChildrenError();
	},

	once: (job) => photo().once(job.data),
	thrice: (job) => photo().thrice(job.data),
	jpeg: async (job) => { await photo().toJpeg(job.data); },
	webp: async (job) => { await photo().toWebp(job.data); },
	statistics: (job) => photo().toStatistics(job.data),
	first: (job) => photo().firstOfChain(job.data),
	second: async (job) => photo().secondOfChain(job.data, await fromChild(job)),
	last: async (job) => photo().lastOfChain(job.data, await fromChild(job)),
};

const worker = new Worker(name, (job, token) => steps[job.name](job, token), {
	connection, concurrency: options.concurrency, removeOnComplete: { count: 0 },
});

let done = 0, told = 0, at = 0;
worker.on("completed", () => { done++; at = now(); });
worker.on("failed", (job, error) => process.send({ failed: `${job && job.name}: ${error.stack}` }));
worker.on("error", (error) => process.send({ failed: String(error.stack) }));
setInterval(() => {
	if (done !== told)
		process.send({ done: done - told, at });
	told = done;
}, 10);

const orders = {
	pause: () => worker.pause(),
	resume: () => worker.resume(),
	quit: async () => { await worker.close(); process.exit(0); },
};

process.on("message", async ({ order }) => {
	await orders[order]();
	process.send({ obeyed: order });
});
process.on("disconnect", () => process.exit(0));
worker.waitUntilReady().then(() => process.send({ obeyed: "start" }));
