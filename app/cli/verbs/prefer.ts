/**
 * `sinter prefer --from RUN --data FILE`: learning from preferences. Of two answers to a prompt, the better
 * one becomes likelier than the other.
 */
import { stageOptions } from "../options/stage-options.ts";
import { preferStage } from "../train/prefer.ts";
import { runStage } from "../train/run-stage.ts";
import { defineVerb } from "./verb.ts";

export const preferVerb = defineVerb({
  name: "prefer",
  summary: "teach a model which of two answers is better",
  arguments: [{ name: "[spec]", help: "spec whose prefer block counts (default: that of --from)" }],
  options: stageOptions(
    "pairs of answers: JSON Lines or a JSON array; - is standard input (default: built-in questions)",
    "-prefer",
  ),
  notes: [
    "Rows are known by their keys: prompt + chosen + rejected, instruction (+ input) + chosen + rejected,",
    "chosen + rejected as whole dialogues; for the objective kto also prompt + completion + label.",
    "The objective is dpo, unless the prefer block or --set objective=NAME names another: ipo, hinge, simpo,",
    "orpo, kto … (compiler/LANGUAGE.md), or one of the spec's own. What the reference, the model of --from,",
    "says of the answers is computed once, and kept in the run's folder.",
    "The loss of dpo begins at ln 2 = 0.6931, its margins at 0. Chosen answers may become less likely, too:",
    "it is the margin over the rejected ones that is learnt (--set nll=0.1 holds them).",
  ],
  examples: [
    "sinter prefer --from runs/answers --data pairs.jsonl --preview",
    "sinter prefer --from runs/answers --data pairs.jsonl --out runs/preferred",
    "sinter prefer --from runs/answers --data pairs.jsonl --set objective=ipo --set beta=0.2",
    "sinter prefer --resume --out runs/preferred --steps 400",
  ],
  run: ([spec], asked, io) => runStage(preferStage, spec, asked, io),
});
