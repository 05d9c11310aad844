/**
 * npm run study -- bandit [--seeds 3] [--steps 150]
 *
 * Experiment X10: a bandit with ten answers and a leash, whose outcome is known exactly. Prints where each
 * method ends, beside p* and J*; the control, with k1 in the loss, has to run away.
 */
import { parseArgs } from "node:util";
import { bestObjective, bestShare } from "../../runtime/train/rl/divergence.ts";
import { banditMethods, runBandit, type BanditMethod } from "./posttraining/bandit.ts";

const { values: o } = parseArgs({
  options: { seeds: { type: "string", default: "3" }, steps: { type: "string", default: "150" } },
});
const rewards = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];

for (const kl of [1, 0.5, 0.2]) {
  const [share, most] = [bestShare(0.1, kl), bestObjective(rewards, kl)];
  console.log(`kl ${kl}: p* ${share.toFixed(3)}  J* ${most.toFixed(4)}`);
  for (const method of Object.keys(banditMethods) as BanditMethod[])
    for (let seed = 1; seed <= Number(o.seeds); seed++) {
      const at = { method, kl, steps: Number(o.steps), lr: 0.01, prompts: 8, seed };
      const { right, divergence, objective } = await runBandit(at);
      const isRight = Math.abs(right - share) < 0.03 && objective <= most + 1e-5;
      console.log(
        `  ${method.padEnd(8)} seed ${seed}  p ${right.toFixed(3)}  KL ${divergence.toFixed(3)}  ` +
          `J ${objective.toFixed(4)}  ${isRight ? "as it should be" : "elsewhere"}`,
      );
    }
}
