/**
 * `sinter sft --from RUN --data FILE`: supervised fine-tuning. A model learns answers to questions, and where
 * answers end.
 */
import { stageOptions } from "../options/stage-options.ts";
import { sftStage } from "../train/sft.ts";
import { runStage } from "../train/run-stage.ts";
import { defineVerb } from "./verb.ts";

const options = stageOptions(
  "examples: JSON Lines or a JSON array; - is standard input (default: built-in questions)",
  "-sft",
);

export const sftVerb = defineVerb({
  name: "sft",
  summary: "teach a model to answer, from examples",
  arguments: [{ name: "[spec]", help: "spec whose sft block counts (default: that of --from)" }],
  options,
  notes: [
    "Rows are known by their keys: prompt + completion, question + answer, instruction (+ input) + output,",
    "messages (role, content), conversations (from, value), text. The loss is over answers alone,",
    "each with the token that ends it. A tokenizer without tokens for turns gets them.",
    "Settings are those of the sft block: of the spec that is named, else of the run's own spec,",
    "else the defaults; which, is printed. --set lr=1e-4 changes one of them.",
    "The checkpoint with the best held-out loss is kept, and is the one that chat, eval and export use.",
  ],
  examples: [
    "sinter sft --from runs/base --data questions.jsonl --preview",
    "sinter sft --from runs/base --data questions.jsonl --out runs/answers",
    "sinter sft tasks.sinter --from runs/base --data train.jsonl --eval test.jsonl --out runs/answers",
    "sinter sft --resume --out runs/answers --steps 600",
  ],
  run: ([spec], asked, io) => runStage(sftStage, spec, asked, io),
});
