// reference.mjs MODEL INPUT OUTPUT FROM TO N C H W - runs MODEL by onnxruntime-node on the float32 file FROM, output to the file TO.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const ort = createRequire(process.cwd() + "/")("onnxruntime-node");
const [model, input, output, from, to, ...shape] = process.argv.slice(2);
const bytes = readFileSync(from);
const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1 });
const results = await session.run({ [input]: new ort.Tensor("float32", numbers, shape.map(Number)) });
const data = results[output].data;
writeFileSync(to, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
