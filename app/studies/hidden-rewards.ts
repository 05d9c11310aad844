/**
 * npm run study -- hidden-rewards [--seeds 3] [--steps 400]
 *
 * Experiment X6: preferences that come from hidden rewards. dpo has to find these, at the entropy of the
 * labels and the divergence of its closed form; ipo and kto their order. The control's pairs say nothing.
 */
import { parseArgs } from "node:util";
import { runHiddenRewards } from "./posttraining/hidden-rewards.ts";

const { values: o } = parseArgs({
  options: { seeds: { type: "string", default: "3" }, steps: { type: "string", default: "400" } },
});

const rows = [
  { name: "dpo", objective: "dpo" },
  { name: "ipo", objective: "ipo" },
  { name: "kto", objective: "kto" },
  { name: "control", objective: "dpo", control: true },
] as const;

for (let seed = 1; seed <= Number(o.seeds); seed++)
  for (const { name, ...how } of rows) {
    const r = await runHiddenRewards({ beta: 0.5, steps: Number(o.steps), lr: 1e-2, seed, ...how });
    console.log(
      `${name.padEnd(8)} seed ${seed}  order ${r.inOrder.toFixed(4)}  ` +
        `rewards ± ${r.worst.toExponential(1)}  ` +
        `loss ${r.loss.toFixed(5)} (entropy ${r.entropy.toFixed(5)})  ` +
        `KL ${r.divergence.toFixed(4)} (${r.bestDivergence.toFixed(4)})`,
    );
  }
