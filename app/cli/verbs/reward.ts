/**
 * `sinter reward --from RUN --data FILE`: a reward model. A scalar head learns to score the better one of two
 * answers higher (Bradley & Terry 1952).
 */
import { stageOptions } from "../options/stage-options.ts";
import { rewardStage } from "../train/reward.ts";
import { runStage } from "../train/run-stage.ts";
import { defineVerb } from "./verb.ts";

export const rewardVerb = defineVerb({
  name: "reward",
  summary: "train a model that scores answers, from pairs",
  arguments: [{ name: "[spec]", help: "spec whose reward block counts (default: that of --from)" }],
  options: stageOptions("pairs of answers: JSON Lines or a JSON array; - is standard input", "-reward"),
  notes: [
    "Rows are as for `sinter prefer`; with --set objective=reward_margin each says its `margin`, too.",
    "The head scores an answer where its last token is read. It begins at 0, so the loss begins at",
    "ln 2 = 0.6931. At the end, the mean score of the chosen answers is kept in reward.json: rewards are",
    "counted from it. `sinter eval` tells how often the chosen answer of held-out pairs is scored higher.",
  ],
  examples: [
    "sinter reward --from runs/answers --data pairs.jsonl --out runs/judge",
    "sinter reward --from runs/answers --data pairs.jsonl --set center=0.01 --steps 300",
    "sinter eval runs/judge --data other-pairs.jsonl",
  ],
  run: ([spec], asked, io) => runStage(rewardStage, spec, asked, io),
});
