// Counts the tokens of each text in a JSON file, in two real vocabularies.
// In and out: [{"kind": …, "text": …}, …]; out adds "o200k" and "cl100k".
import { readFileSync, writeFileSync } from "node:fs";
import { encode as o200k } from "gpt-tokenizer/encoding/o200k_base";
import { encode as cl100k } from "gpt-tokenizer/encoding/cl100k_base";

const [source, target] = process.argv.slice(2);
const plain = { allowedSpecial: new Set(), disallowedSpecial: new Set() };
const texts = JSON.parse(readFileSync(source, "utf8"));
for (const entry of texts) {
  entry.o200k = o200k(entry.text, plain).length;
  entry.cl100k = cl100k(entry.text, plain).length;
}
writeFileSync(target, `[\n${texts.map((entry) => JSON.stringify(entry)).join(",\n")}\n]\n`);
