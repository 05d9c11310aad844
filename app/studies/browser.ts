/**
 * npm run study -- browser --tokenizer DIR [--model SPEC:NAME]… [--set vocab=50257]… [--formats q8_0,q4_0]
 * [--threads 1,2] [--target relaxed,wide] [--folder DIR] [--json FILE]
 *
 * Sinter beside llama.cpp compiled to WebAssembly (@wllama/wllama), in one page of Chromium: the same GGUF
 * file, weights drawn at random, the same prompts, as many threads. They take turns, each warmed up first: a
 * prompt of 128 tokens, then 64 one by one, each the likeliest. `relaxed` is what any visitor's browser runs;
 * for `wide` Chromium is started with V8's flag. Files stay in the folder, by default one of the system's for
 * temporary files, and are written once.
 */
import { median } from "../../bench/measure/statistics.ts";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compileModel } from "../../compiler/compile.ts";
import type { WeightFormat } from "../../runtime/contract/memory-formats.ts";
import type { Target } from "../../runtime/contract/targets.ts";
import { nodeFiles } from "../../runtime/node/files.ts";
import { asJavaScript } from "../../runtime/node/page-server.ts";
import { fileFormats } from "../../runtime/engine/quantise.ts";
import { sizeText } from "../../runtime/contract/amounts.ts";
import { openTokenizer } from "../../runtime/tokenizers/tokenizer-files.ts";
import { decode, type Tokenizer } from "../../runtime/tokenizers/base/tokenizer.ts";
import type { Greedy, PageFigures, PagePlan, Side } from "./browser-page.ts";
import { chromiumMissing, inChromium } from "../../bench/measure/chromium.ts";
import { serveWllama, wllamaMissing, wllamaVersion } from "../../bench/peers/wllama.ts";
import { writeRandomGguf } from "../../bench/measure/random-gguf.ts";
import { missing, modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    model: {
      type: "string",
      multiple: true,
      default: [new URL("../../specs/gpt2.sinter:gpt2", import.meta.url).pathname],
    },
    set: { type: "string", multiple: true, default: [] },
    tokenizer: { type: "string" },
    formats: { type: "string", default: "q8_0,q4_0" },
    threads: { type: "string", default: "1,2" },
    target: { type: "string", default: "relaxed,wide" },
    tokens: { type: "string", default: "64" },
    prompt: { type: "string", default: "128" },
    rounds: { type: "string", default: "5" },
    folder: { type: "string", default: join(tmpdir(), "sinter-bench-browser") },
    json: { type: "string" },
    sides: { type: "string", default: "sinter,wllama" },
  },
});
const CONTEXT = 512;
const files = nodeFiles();
if (o.tokenizer === undefined) throw missing("--tokenizer DIR says which tokens there are");
const lacking = chromiumMissing() ?? (o.sides.includes("wllama") ? wllamaMissing() : undefined);
if (lacking !== undefined) throw new Error(lacking);
const tokenizer = await openTokenizer(files, o.tokenizer);
const prompts = promptsOf(tokenizer, Number(o.prompt), Number(o.rounds) + 1);
const page =
  `${asJavaScript(readFileSync(new URL("browser-page.ts", import.meta.url), "utf8"))}\nexport default ` +
  "(say) => measure(PLAN, say);";
const all: object[] = [];

for (const text of o.model) {
  const at = text.lastIndexOf(":");
  const [name, path] = [text.slice(at + 1), text.slice(0, at)];
  const model = modelIn(path, name, [`context=${CONTEXT}`, ...o.set]);
  for (const weights of o.formats.split(",") as Exclude<WeightFormat, "f32">[]) {
    const folder = join(o.folder, `${name}-${weights}${o.set.map((pair) => `-${pair}`).join("")}`);
    const gguf = join(folder, "model.gguf");
    const targets = o.target.split(",") as Target[];
    mkdirSync(join(folder, "bundle"), { recursive: true });
    if (!existsSync(gguf))
      console.log(
        `${gguf}: ${sizeText(await writeRandomGguf(files, gguf, model, tokenizer, fileFormats[weights]))}`,
      );
    for (const [file, bytes] of (await compileModel(model, { targets, modules: ["infer"], weights })).files)
      writeFileSync(join(folder, "bundle", file), bytes);
    for (const target of targets)
      for (const threads of o.threads.split(",").map(Number)) {
        console.log(`\n${name}, ${weights}, ${threads} thread${threads > 1 ? "s" : ""}, ${target}`);
        const plan: PagePlan = {
          bundle: "/bundle/",
          weights: "/model.gguf",
          threads,
          target,
          context: CONTEXT,
          prompts,
          tokens: Number(o.tokens),
          sides: o.sides.split(",") as PagePlan["sides"],
        };
        const found = (await inChromium({
          folder,
          program: page.replace("PLAN", () => JSON.stringify(plan)),
          limitMs: 600_000,
          say: (line) => console.log(`  ${line}`),
          handle: serveWllama,
          ...(target === "wide" && { v8: "--wasm-revectorize --experimental-wasm-revectorize" }),
        })) as PageFigures;
        show(found, Number(o.prompt));
        all.push({ model: name, weights, threads, target, wllama: wllamaVersion(), ...found });
        if (o.json !== undefined) writeFileSync(o.json, `${JSON.stringify(all, null, 1)}\n`);
      }
  }
}
process.exit(0);

function show({ sinter, wllama }: PageFigures, promptTokens: number): void {
  for (const [name, side] of [
    ["Sinter", sinter],
    ["wllama", wllama],
  ] as const) {
    if (!side) continue;
    if (side.promptTokens !== promptTokens)
      throw new Error(`${name} took ${side.promptTokens} tokens of the prompt`);
    console.log(
      `${name.padEnd(8)} ${side.threads} threads, loaded in ${(side.loadMs / 1000).toFixed(2)} s; ` +
        `prefill ${median(side.prefill).toFixed(1)}, decode ${median(side.decode).toFixed(1)} tok/s   ` +
        `(${side.version})`,
    );
  }
  if (!sinter || !wllama) return;
  const ratio = (what: "prefill" | "decode"): string => {
    // the ratio of neighbouring rounds, because the machine's speed changes
    const each = sinter[what].map((value, i) => value / wllama[what][i]!);
    return `${median(each).toFixed(2)} (${Math.min(...each).toFixed(2)} … ${Math.max(...each).toFixed(2)})`;
  };
  console.log(
    `ratio    decode ${ratio("decode")}, prefill ${ratio("prefill")}, loading ` +
      `${(wllama.loadMs / sinter.loadMs).toFixed(1)}; ${agreement(sinter, wllama)}`,
  );
}

/** How many greedy tokens are the same, and how near the second best was where the texts part. */
function agreement({ greedy }: Side, { greedy: { text } }: { readonly greedy: Greedy }): string {
  const { tokens = [] } = greedy;
  const textOf = (n: number): string =>
    decode(
      tokenizer,
      tokens.slice(0, n).map(({ id }) => id),
    ).replace(/\uFFFD+$/, "");
  let same = 0;
  while (same < tokens.length && text.startsWith(textOf(same + 1))) same++;
  return same === tokens.length
    ? `the same ${same} tokens`
    : `the same ${same} tokens, then one whose second best was ${tokens[same]!.margin.toFixed(4)} nats away`;
}

/** Texts of `length` tokens whose first word is another each time. */
function promptsOf({ encode }: Tokenizer, length: number, count: number): string[] {
  const words = ["cat", "dog", "sun", "sea", "man", "boy", "day", "car", "red", "big"].filter(
    (word) => encode(` ${word}`).length === 1,
  );
  return Array.from({ length: count }, (_, n) => {
    let text = "";
    for (let i = 0; encode(text).length < length; i++) text += ` ${words[(n + i * (1 + n)) % words.length]}`;
    if (encode(text).length !== length) throw new Error("the tokenizer makes other tokens of words together");
    return text;
  });
}
