// node huggingface.mjs TOKENIZER.JSON - the same texts through @huggingface/tokenizers, which is in node_modules beside the
// working directory: one JSON text a line on standard input, for each a line with the JSON list of its numbers.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { Tokenizer } = createRequire(process.cwd() + "/")("@huggingface/tokenizers");
const tokenizer = new Tokenizer(JSON.parse(readFileSync(process.argv[2], "utf8")), {});
const answers = [];

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
	const given = JSON.parse(line);
	answers.push(JSON.stringify(typeof given === "string" ? tokenizer.encode(given).ids
		: tokenizer.decode(given, { skip_special_tokens: true })));
}
process.stdout.write(answers.map((answer) => answer + "\n").join(""));
