/**
 * Sinter and llama.cpp on the same file, in the same format: llama.cpp writes greedily (with keys and values
 * in f32), and Sinter computes the logits of the same prefixes, token by token. In q8_0 and q4_0 both
 * quantise activations to the same numbers. So the logits differ only by the order of sums, until one of the
 * two rounds a number the other way. From then on the keys and values differ, and the logits by as much as
 * quantisation costs anyway.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { agreement } from "../../../app/studies/agreement.ts";
import { llamaCppGreedy, llamaCppHere, withoutLlamaCpp } from "../../../app/studies/ask-llama-cpp.ts";
import { sinter } from "../../support/command-line.ts";
import { logitsOf } from "./models.ts";
import { shared } from "./shared.ts";
import { llama3Rope, llamaLayer } from "../../support/small-models.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-agreement-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const spec = `model small-llama3.2 {
  vocab 256  context 128  width 64  layers 3  heads 4  kv_heads 2  head_dim 32
  embed token
  ${llamaLayer(llama3Rope(32), 96)}
  output linear(rmsnorm(x), tied: true)
  tokenizer bytes
  train { batch 4  context 32  steps 60  lr 1e-2  warmup 0 }
}`;

/**
 * The largest noise, as a share of the spread of the logits: over all positions, and at the first position,
 * where nothing can have been rounded the other way yet.
 */
const bounds = {
  f32: { all: 1e-4, first: 1e-4 },
  q8_0: { all: 0.15, first: 1e-4 },
  q4_0: { all: 0.15, first: 1e-4 },
} as const;
type Format = keyof typeof bounds;

async function follow(folder: string, format: Format, prompt: readonly number[], count: number) {
  const file = `${folder}-${format}.gguf`;
  const back = `${folder}-${format}`;
  await sinter("export", folder, "--to", "gguf", "--dtype", format, "-o", file);
  await sinter("import", file, "-o", back);
  const theirs = llamaCppGreedy(file, prompt, count, at("logits"));
  const ours = (
    await logitsOf(back, [...prompt, ...theirs.ids.slice(0, -1)], { weights: format, target: "relaxed" })
  ).slice(prompt.length - 1);
  return {
    theirs,
    found: agreement(theirs.logits, ours),
    first: agreement(theirs.logits.slice(0, 1), ours.slice(0, 1)),
  };
}

const models: readonly {
  readonly name: string;
  readonly source: () => string;
  readonly data: ReturnType<typeof shared>;
  readonly begin: number;
  readonly formats: readonly Format[];
}[] = [
  {
    name: "stories260K",
    source: () => `${shared("checkpoints/stories260K").path}/stories260K.bin`,
    data: shared("checkpoints/stories260K"),
    begin: 1,
    formats: ["f32", "q8_0"],
  }, // rows of 172 are no multiple of 32, so a q4_0 file has them as F16
  {
    name: "tinystories-656k",
    source: () => shared("checkpoints/tinystories-656k").path,
    data: shared("checkpoints/tinystories-656k"),
    begin: 1,
    formats: ["f32", "q8_0", "q4_0"],
  },
];

function check(
  name: string,
  format: Format,
  { found, first }: Awaited<ReturnType<typeof follow>>,
  exactFirst: boolean,
): void {
  const { all, first: atFirst } = bounds[format];
  const most = all * found.spread;
  console.log(
    `${name}, ${format}: ${found.equal} of ${found.positions} tokens equal, the first ` +
      `${found.together}; noise ${found.noise.toExponential(1)} (median ` +
      `${found.medianNoise.toExponential(1)}) of a spread of ${found.spread.toFixed(2)}`,
  );
  expect(found.noise).toBeLessThan(most);
  if (exactFirst) expect(first.noise).toBeLessThan(atFirst * found.spread);
  for (const { margin, at: position } of found.apart) expect(margin, `at ${position}`).toBeLessThan(2 * most);
  if (format === "f32") expect(found.equal).toBe(found.positions);
  expect(found.equal).toBeGreaterThanOrEqual(0.9 * found.positions);
}

describe.each(models)("$name", ({ name, source, data, begin, formats }) => {
  it.skipIf(!llamaCppHere || !data.there)(
    `says what llama.cpp says ${withoutLlamaCpp}${data.why}`,
    async () => {
      await sinter("import", source(), "-o", at(name));
      for (const format of formats)
        check(
          name,
          format,
          await follow(at(name), format, [begin], 80),
          name !== "stories260K" || format === "f32",
        );
    },
  );
});

describe("a small Llama 3.2, trained here", () => {
  it.skipIf(!llamaCppHere)(`says what llama.cpp says ${withoutLlamaCpp}`, async () => {
    writeFileSync(at("spec.sinter"), spec);
    await sinter("train", at("spec.sinter"), "--out", at("small"), "--workers", "1", "--eval-every", "0");
    for (const format of ["f32", "q8_0", "q4_0"] as const)
      check("small-llama3.2", format, await follow(at("small"), format, [84], 80), true);
  });
});
