/** What `sinter look` says of published checkpoints is what PyTorch computes: maps of heads, next tokens. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { sinter } from "../../support/command-line.ts";
import { PYTHON } from "../../support/debian-python.ts";
import { shared } from "../formats/shared.ts";
import { torchHere, withoutTorch } from "../formats/torch.ts";

const script = fileURLToPath(new URL("attention_maps.py", import.meta.url));

interface Torch {
  readonly maps: readonly number[][][][];
  readonly logits: readonly number[];
}
const torchMaps = (path: string, ids: readonly number[]): Torch =>
  JSON.parse(execFileSync(PYTHON, [script, path, ids.join()], { encoding: "utf8" })) as Torch;

interface Looked {
  readonly tokens: readonly { readonly id: number }[];
  readonly attention: readonly number[][][][];
  readonly next: readonly { readonly id: number; readonly probability: number }[];
}

const checkpoints = [
  {
    name: "tiny-random-gpt2",
    file: "", // the folder, which has no tokenizer
    text: Array.from({ length: 40 }, (_, i) => (i * i * 7 + 3 * i + 1) % 500).join(" "),
    sizes: [5, 4, 40, 40],
  },
  {
    name: "stories260K",
    file: "/stories260K.bin",
    text: "Once upon a time, there was a little girl named Lily. She loved to play",
    sizes: [5, 8, 21, 21],
  },
].map((known) => ({ ...known, data: shared(`checkpoints/${known.name}`) }));

for (const { name, file, text, sizes, data } of checkpoints)
  test.skipIf(!torchHere || !data.there)(`${name}: maps within 1e-5 ${withoutTorch}${data.why}`, async () => {
    const said = await sinter("look", data.path + file, "-p", text, "--target", "relaxed", "--json");
    const { attention, tokens, next } = JSON.parse(said) as Looked;
    const { maps, logits } = torchMaps(
      data.path + file,
      tokens.map(({ id }) => id),
    );
    const sizesOf = (of: typeof maps): number[] => [
      of.length,
      of[0]!.length,
      of[0]![0]!.length,
      of[0]![0]![0]!.length,
    ];
    expect(sizesOf(attention)).toEqual(sizes);
    expect(sizesOf(maps)).toEqual(sizes);
    const found = attention.flat(3);
    const most = maps.flat(3).reduce((far, want, i) => Math.max(far, Math.abs(found[i]! - want)), 0);
    expect(most).toBeLessThan(1e-5);
    const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
    for (const { id, probability } of next)
      expect(Math.abs(probability - Math.exp(logits[id]!) / total)).toBeLessThan(1e-5);
  });
