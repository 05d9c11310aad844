/**
 * npm run study -- serve [--model gpt2:q8_0]… [--clients 1,2,4,8] [--texts 16:128,128:64] [--threads 2]
 * [--runs 3] [--keep DIR] [--alone]
 *
 * Clients of `sinter serve` that ask at once, each for a text after a prompt of its own: tokens per second of
 * all together, and milliseconds until the first token. Sinter answers through HTTP, as a program of its own;
 * beside it llama.cpp on the same file, as the library that its server is made of (node-llama-cpp: a sequence
 * for each client in one context, no HTTP), by turns. --texts: tokens of the prompt, and of the answer.
 * --alone: without llama.cpp.
 *
 * Models are those of specs/gpt2.sinter and specs/llama3.sinter with drawn weights; speed does not depend on
 * them. Medians of the runs; the first one of each is not counted.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { median } from "../../bench/measure/statistics.ts";
import { randomStream } from "../../runtime/base/random.ts";
import { askLlamaCpp, llamaCppHere, withoutLlamaCpp } from "./ask-llama-cpp.ts";
import { drawnGguf } from "./drawn-gguf.ts";
import { completionEvents, startServer } from "./served-program.ts";

const { values: o } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: ["gpt2:q8_0", "llama3.2-1b:q4_0"] },
    clients: { type: "string", default: "1,2,4,8" },
    texts: { type: "string", default: "16:128,128:64" },
    threads: { type: "string", default: "2" },
    runs: { type: "string", default: "3" },
    keep: { type: "string" },
    alone: { type: "boolean", default: false },
  },
});
const counts = o.clients.split(",").map(Number);
const texts = o.texts
  .split(",")
  .map((text) => text.split(":").map(Number) as [prompt: number, answer: number]);
const [threads, runs] = [Number(o.threads), Number(o.runs)];
const most = Math.max(...counts);
const CONTEXT = 256;
/** Ids that all vocabularies have, without those that mean something. */
const IDS = { least: 300, count: 20_000 } as const;
const folder = o.keep ?? mkdtempSync(join(tmpdir(), "sinter-serve-"));

interface Asked {
  readonly prompts: readonly (readonly number[])[];
  readonly count: number;
}
/** Until the last token of all, and until the first one of each. */
interface Timed {
  readonly ms: number;
  readonly firstMs: readonly number[];
}

/** Prompts that have nothing in common. */
const promptsOf = (clients: number, length: number, run: number): number[][] =>
  Array.from({ length: clients }, (_, client) => {
    const random = randomStream(client + most * run, "prompts");
    return Array.from({ length }, () => IDS.least + random.below(IDS.count));
  });

/** A client asks and reads to the end. Returns when its first piece came. */
async function client(url: string, prompt: readonly number[], count: number, began: number): Promise<number> {
  let first = Infinity;
  const body = { prompt, n_predict: count, ignore_eos: true, temperature: 0, cache_prompt: false };
  for await (const event of completionEvents(url, body)) {
    first = Math.min(first, performance.now() - began);
    if (event.stop && event.tokens_predicted !== count)
      throw new Error(`${event.tokens_predicted} tokens instead of ${count}`);
  }
  return first;
}

async function ours(url: string, { prompts, count }: Asked): Promise<Timed> {
  const began = performance.now();
  const firstMs = await Promise.all(prompts.map((prompt) => client(url, prompt, count, began)));
  return { ms: performance.now() - began, firstMs };
}

const theirs = (path: string, asked: readonly Asked[]): readonly Timed[] =>
  askLlamaCpp<Timed>(
    path,
    asked.map((one) => ({ do: "clients", ...one })),
    { threads, context: CONTEXT, sequences: most },
  );

async function measure(model: string): Promise<void> {
  const [name, format] = model.split(":") as [string, string];
  const path = await drawnGguf(name, format, { folder, context: CONTEXT });
  const server = await startServer(path, ["--parallel", `${most}`, "--workers", `${threads}`]);
  try {
    for (const [length, count] of texts) {
      const asked = Array.from({ length: runs + 1 }, (_, run) =>
        counts.map((clients): Asked => ({ prompts: promptsOf(clients, length, run), count })),
      );
      const own: Timed[][] = [];
      const other: (readonly Timed[])[] = [];
      for (const run of asked) {
        const timed: Timed[] = [];
        for (const one of run) timed.push(await ours(server.url, one));
        own.push(timed);
        if (!o.alone && llamaCppHere) other.push(theirs(path, run));
      }
      console.log(`\n${name} in ${format}, prompts of ${length} and answers of ${count}, ${threads} threads`);
      print("sinter serve", own.slice(1), count);
      if (other.length > 0) print("llama.cpp", other.slice(1), count);
      else console.log(`llama.cpp ${withoutLlamaCpp}`);
    }
  } finally {
    await server.end();
  }
}

function print(who: string, runsOf: readonly (readonly Timed[])[], count: number): void {
  const rate = (timed: readonly Timed[], i: number): number => (1000 * counts[i]! * count) / timed[i]!.ms;
  console.log(who.padEnd(14) + "clients    tok/s  × one   first token ms, middle and last");
  for (const [i, clients] of counts.entries()) {
    const over = (of: (timed: readonly Timed[]) => number): number => median(runsOf.map(of));
    console.log(
      "".padEnd(14) +
        `${clients}`.padStart(7) +
        over((timed) => rate(timed, i))
          .toFixed(1)
          .padStart(9) +
        over((timed) => rate(timed, i) / rate(timed, 0))
          .toFixed(2)
          .padStart(7) +
        over((timed) => median(timed[i]!.firstMs))
          .toFixed(0)
          .padStart(10) +
        over((timed) => Math.max(...timed[i]!.firstMs))
          .toFixed(0)
          .padStart(8),
    );
  }
}

try {
  for (const model of o.model) await measure(model);
} finally {
  if (o.keep === undefined) rmSync(folder, { recursive: true });
}
