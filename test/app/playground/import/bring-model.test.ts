/** Files of published models, as they are dropped on the page, become a spec and a tokenizer. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { expect, test } from "vitest";
import { bringModel } from "../../../../app/playground/import/bring-model.ts";
import { checkSource } from "../../../../compiler/2-check/check.ts";
import { heldFiles } from "../../../../runtime/store/held-files.ts";
import { readTokenizer } from "../../../../runtime/tokenizers/tokenizer-files.ts";
import { shared } from "../../../runtime/formats/shared.ts";

const dropped = (...paths: readonly string[]): File[] =>
  paths.map((path) => new File([readFileSync(shared(`checkpoints/${path}`).path)], basename(path)));

const cases = {
  "stories260K/stories260K.gguf": { parameters: 260_032, beside: [], tokens: 512 },
  "tinystories-656k/model.safetensors": {
    parameters: 656_000,
    beside: ["config.json", "tokenizer.json"],
    tokens: 2048,
  },
  // without a tokenizer, texts are ids
  "tiny-random-gpt2/model.safetensors": { parameters: 111_968, beside: ["config.json"], tokens: 1000 },
} as const;

for (const [path, { parameters, beside, tokens }] of Object.entries(cases)) {
  const { there, why } = shared(`checkpoints/${path}`);
  test.skipIf(!there)(`${path} becomes a spec with its parameters and its tokenizer ${why}`, async () => {
    const folder = path.split("/")[0]!;
    const brought = await bringModel(dropped(path, ...beside.map((name) => `${folder}/${name}`)));
    const { models, diagnostics, summaries } = checkSource(brought.spec);
    expect(diagnostics).toEqual([]);
    expect(brought.spec).toContain(`expect parameters ${thousands(parameters)}`);
    expect(models[0]!.train).toMatchObject({ batch: 4, context: Math.min(128, models[0]!.sizes.context) });
    expect(brought.weights.name).toBe(basename(path));
    const files = [...brought.tokenizer].map(
      ([name, bytes]) => [`t/${name}`, new Uint8Array(bytes)] as const,
    );
    const tokenizer = await readTokenizer(heldFiles(new Map(files)), "t", models[0]!.tokenizer);
    expect(tokenizer.size).toBe(tokens);
    expect(summaries.length).toBe(1);
  });
}

const thousands = (n: number): string => n.toLocaleString("en").replaceAll(",", "_");

test("without weights among the files, it says what to give", async () => {
  await expect(bringModel([new File(["{}"], "config.json")])).rejects.toThrow(/none of these files holds/);
});
