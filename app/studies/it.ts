/**
 * npm run study -- it [--seeds 1337] [--folder out/it]
 *
 * The sentence of many an explanation of attention, as a model that learns it: at what does "it" look in
 * "Because one of them was tired, the cat sat on the mat, and it"? Trains specs/it.sinter, and prints how
 * often a head looks at the right noun in sentences whose words did not stand together in training, beside
 * the best position that is always the same and the model before its first step; and what the next word
 * loses without that head. Draws one sentence with two cues: at what "it" looks in each layer.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { percent } from "../../runtime/contract/amounts.ts";
import { decode } from "../../runtime/tokenizers/base/tokenizer.ts";
import { itPage } from "./pronouns/picture.ts";
import { runIt, type ItResult, type ItScore } from "./pronouns/run-it.ts";

const { values: o } = parseArgs({
  options: {
    seeds: { type: "string", default: "1337" },
    folder: { type: "string", default: "out/it" },
  },
});

/** A cell of the table. */
const CELL = 14;

for (const seed of o.seeds.split(",").map(Number)) {
  const folder = join(o.folder, `${seed}`);
  const result = await runIt({ folder, seed, say: () => {} });
  const page = join(folder, "it.html");
  writeFileSync(page, itPage(seed, result));
  console.log(
    [`seed ${seed}`, ...tableOf(result), "", ...examplesOf(result), `${page} draws it`, ""].join("\n"),
  );
}

function tableOf({ sentences, trained, untrained, fixed, seconds }: ItResult): readonly string[] {
  const row = (name: string, ...cells: readonly string[]): string =>
    `${name.padEnd(34)}${cells.map((cell) => cell.padStart(CELL)).join("")}`;
  const of = (name: string, { head, nextWord, withoutHead, withoutAnother }: ItScore): string =>
    row(name, ...[head.right, head.weight, nextWord, withoutHead, withoutAnother].map((x) => percent(x, 1)));
  const { layer, head } = trained.head;
  return [
    `trained in ${seconds.toFixed(0)} s; ${sentences} sentences held out; head ${head + 1} of layer ` +
      `${layer + 1} was chosen on others`,
    row("", "right noun", "weight there", "next word", "without head", "without other"),
    of("trained", trained),
    of("before the first step", untrained),
    row(`always ${fixed.name}`, percent(fixed.right, 1)),
  ];
}

/** At what "it" looks in each layer, in hundredths. */
function examplesOf({ examples, tokenizer }: ItResult): readonly string[] {
  return examples.flatMap(({ tokens, looks, sentence }) => [
    `${sentence.before} → ${sentence.deed}`,
    ...looks.map(({ layer, head, at }) => {
      const words = tokens.map(
        (id, i) => [decode(tokenizer, [id]).trim(), Math.round(100 * at[i]!)] as const,
      );
      const seen = words.filter(([, share]) => share > 0).map(([word, share]) => `${word} ${share}`);
      return `  layer ${layer + 1}, head ${head + 1}: ${seen.join(", ")}`;
    }),
  ]);
}
