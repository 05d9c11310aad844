/** What is supervised fine-tuning's own: which answers are learnt, and how examples share rows. */
import { layerParts } from "../../../compiler/2-check/parameters.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Model, SftSettings } from "../../../runtime/contract/model.ts";
import { exampleSource } from "../../../runtime/train/sources/example-source.ts";
import { rowCount } from "../../../runtime/train/sources/learnt-rows.ts";
import type { Amount } from "./begin.ts";
import { encodeStage, packingLine, type StageRows } from "./example-data.ts";
import { preview } from "./preview.ts";
import { stageModules } from "./stage-modules.ts";
import type { StageKind } from "./stage.ts";

export const sftStage: StageKind<"sft", "answer" | "text", StageRows> = {
  stage: "sft",
  kinds: ["answer", "text"],
  answers: true,
  check(settings, model) {
    if (isPacked(settings)) refuseLookingAhead(model);
  },
  compile: stageModules.sft,
  async encode(examples, { settings, ...o }, say) {
    const rows = await encodeStage(examples, { ...o, loss: settings.loss }, say);
    if (isPacked(settings)) say(packingLine(rows.train, o.context));
    return rows;
  },
  preview: ({ train }, { settings, ...o }, io) => preview(train, { ...o, loss: settings.loss }, io),
  record: ({ loss, packing }) => ({ loss, packing }),
  data: ({ record, tokenizer }, settings, { train, heldOut }) => ({
    source: exampleSource({
      train,
      heldOut,
      seed: record.settings.seed,
      tokenizer,
      identity: record.data.sha256,
      packed: isPacked(settings),
    }),
    train: amountOf(train),
    heldOut: heldOut ? amountOf(heldOut) : { tokens: 0, examples: { count: 0, learnt: 0 } },
    best: { patience: record.stage!.patience },
  }),
};

const isPacked = ({ packing }: SftSettings): boolean => packing === "best_fit";

/** Examples that share a row are kept apart by attention, each of whose rows sees what comes before it. */
function refuseLookingAhead(model: Model): void {
  if (layerParts(model).some((part) => part.part === "attention" && !part.causal))
    throw new SinterError(
      "input",
      "attention with `causal: false` can not keep examples apart that share a row",
      "Give each example a row of its own: --set sft.packing=none",
    );
}

const amountOf = (rows: StageRows["train"]): Amount => ({
  tokens: rows.tokens.length,
  examples: { count: rowCount(rows), learnt: rows.counted },
});
