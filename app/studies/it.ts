/**
 * npm run study -- it [--seeds 1337] [--folder out/it]
 *
 * The sentence of many an explanation of attention, as a model that learns it: at what does "it" look in
 * "Because one of them was tired, the cat sat on the mat, and it"? Trains specs/it.sinter, and prints how
 * often a head looks at the right noun in sentences whose words did not stand together in training, beside
 * the best position that is always the same and the model before its first step; and what the next word
 * loses without that head.
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { percent } from "../../runtime/contract/amounts.ts";
import { decode } from "../../runtime/tokenizers/base/tokenizer.ts";
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
  const result = await runIt({ folder: join(o.folder, `${seed}`), seed, say: () => {} });
  console.log([`seed ${seed}`, ...tableOf(result), "", ...examplesOf(result), ""].join("\n"));
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

/** Some sentences: at what "it" looks in the layer of that head, in hundredths. */
function examplesOf({ asked, trained, tokenizer }: ItResult): readonly string[] {
  const { layer, head } = trained.head;
  return asked.slice(0, 4).map(({ tokens, looks, sentence }) => {
    const { at } = looks.find((look) => look.layer === layer && look.head === head)!;
    const words = tokens.map((id, i) => {
      const share = Math.round(100 * at[i]!);
      return decode(tokenizer, [id]) + (share > 0 ? `[${share}]` : "");
    });
    return `${words.join("").trim()} → ${sentence.deed}`;
  });
}
