/**
 * npm run study -- bayes-rate [--seeds 3] [--steps 600] [--pairs 20000]
 *
 * Experiment X9: a reward model whose best is known. Prints held-out accuracy (0.8200 at best), loss beside
 * that of who knows the vowels on the same pairs, and calibration; the control's labels are drawn blindly.
 */
import { parseArgs } from "node:util";
import { runBayesRate } from "./posttraining/bayes-rate.ts";

const { values: o } = parseArgs({
  options: {
    seeds: { type: "string", default: "3" },
    steps: { type: "string", default: "600" },
    pairs: { type: "string", default: "20000" },
  },
});
const [steps, pairs] = [Number(o.steps), Number(o.pairs)];

for (let seed = 1; seed <= Number(o.seeds); seed++)
  for (const control of [false, true]) {
    const r = await runBayesRate({ control, steps, pairs, lr: 1e-2, seed });
    console.log(
      `${control ? "control" : "reward "}  seed ${seed}  accuracy ${r.accuracy.toFixed(4)}  ` +
        `without noise ${r.noiseFree.toFixed(4)}  ` +
        `loss ${r.loss.toFixed(4)} (Bayes ${r.bayesLoss.toFixed(4)}, ` +
        `${r.above.toFixed(1)} standard errors above)  slope ${r.slope.toFixed(3)}`,
    );
  }
