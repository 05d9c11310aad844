/** Greedy tokens of llama.cpp itself (npm's node-llama-cpp, from bench/peers):  node llama-cpp.ts FILE.gguf 1,2,3 COUNT → JSON on the last line */
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

/** What is used of node-llama-cpp. */
interface Peer {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{ getSequence(): { evaluate(tokens: number[], options: object): AsyncIterable<number> } }>;
      detokenize(tokens: readonly number[]): string;
    }>;
  }>;
}

const [path, prompt, count] = process.argv.slice(2);
const { resolve } = createRequire(new URL("../../bench/peers/package.json", import.meta.url));
const { getLlama } = await import(pathToFileURL(resolve("node-llama-cpp")).href) as Peer;
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error" });
const model = await llama.loadModel({ modelPath: path, gpuLayers: 0, useMmap: false });
const context = await model.createContext({ contextSize: 256, sequences: 1, threads: 1 });
const ids: number[] = [], given = prompt!.split(",").map(Number);
for await (const id of context.getSequence().evaluate(given, { temperature: 0, topK: 1, yieldEogToken: true })) {
  ids.push(id);
  if (ids.length >= Number(count)) break;
}
console.log(JSON.stringify({ ids, text: model.detokenize(ids), prompt: given }));
process.exit(0);
