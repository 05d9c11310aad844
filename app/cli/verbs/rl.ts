/**
 * `sinter rl --from RUN --data PROMPTS --reward NAME`: learning from rewards. The model answers prompts
 * itself; answers that were worth more become likelier.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { builtInForms } from "../../../runtime/train/rewards/read-reward.ts";
import { texts, type Options } from "../options/option.ts";
import { previewOf, settingsOf, stageOptions, stagePlaces, withoutBlock } from "../options/stage-options.ts";
import { openRunAt } from "../runs/use-run.ts";
import { type Io, sayer } from "../terminal/io.ts";
import { openRewards, recordedRewards, withFullPaths, type WrittenRewards } from "../train/rewards.ts";
import { rlStage } from "../train/rl.ts";
import { prepareStage, reopenStage } from "../train/stage.ts";
import { stageSpec } from "../train/stage-settings.ts";
import { startRun } from "../train/start.ts";
import { defineVerb } from "./verb.ts";

const options = {
  ...stageOptions("prompts: JSON Lines or a JSON array (default: built-in questions)", "-rl"),
  reward: texts(
    "<name>",
    `what an answer is worth: ${builtInForms.join(", ")}; may be repeated, and weighed: 0.2*json ` +
      "(default: the block's)",
  ),
  rewardCode: texts(
    "<file>",
    "a reward of your own, whose code is run: export default (prompt, answer, row) => number, or null",
  ),
};
type Asked = Options<typeof options>;

export const rlVerb = defineVerb({
  name: "rl",
  summary: "let a model learn from rewards for its own answers",
  arguments: [{ name: "[spec]", help: "spec whose rl block counts (default: that of --from)" }],
  options,
  notes: [
    "In each step the model samples answers to some prompts; a reward says what each is worth, and those",
    "that were worth more than others to the same prompt become likelier. A row's other columns go to the",
    "reward: exact_answer compares with the column answer. kl holds the model near the start.",
    "Settings are those of the rl block: of the spec that is named, else of the run's own spec,",
    "else the defaults; which, is printed. --set group=16 changes one of them.",
    "The checkpoint with the best reward on held-out prompts is kept, and is the one that others use.",
  ],
  examples: [
    "sinter rl --from runs/answers --data questions.jsonl --reward exact_answer --out runs/rewarded",
    "sinter rl --from runs/answers --data prompts.jsonl --reward share_of:aeiou --reward 0.2*length:20",
    "sinter rl --from runs/answers --data prompts.jsonl --reward-code judge.js --set objective=rloo",
    "sinter rl --resume --out runs/rewarded --steps 400",
  ],
  async run([spec], asked, io) {
    const places = stagePlaces("rl", asked, spec, io);
    refuseContradictions(asked);
    const settings = settingsOf(asked);
    const preview = previewOf(asked);
    const say = sayer(io, asked.json);
    return startRun(
      { ...asked, ...places },
      {
        async prepare(source) {
          const block = stageSpec("rl", { spec, options: asked, settings }, source?.run, io);
          const rewards = await openRewards(rewardsAsked(asked, block.settings.reward, io), io);
          return prepareStage(rlStage(rewards, say), places.folder, block, { ...asked, preview }, io, source);
        },
        async reopen() {
          const { record } = await openRunAt(places.folder, io);
          const rewards = await openRewards(recordedRewards(record.stage?.settings), io);
          const set = { ...withoutBlock("rl", asked), ...settings };
          return reopenStage(rlStage(rewards, say), places.folder, { ...asked, set }, io);
        },
      },
      io,
    );
  },
});

/** Those of the command line, else that of the block. */
const rewardsAsked = ({ reward, rewardCode = [] }: Asked, ofBlock: string, io: Io): WrittenRewards => ({
  names: reward ?? (rewardCode.length > 0 ? [] : [ofBlock]),
  code: withFullPaths(rewardCode, io),
});

function refuseContradictions({ resume, from, reward, rewardCode, weights }: Asked): void {
  if (resume && (reward ?? rewardCode ?? weights) !== undefined)
    throw new SinterError(
      "usage",
      "a run goes on with the rewards and the weights that it began with",
      "Leave --reward, --reward-code and --weights out.",
    );
  if (!resume && from === undefined)
    throw new SinterError(
      "usage",
      "which weights? A model that has learnt nothing is never rewarded",
      "sinter rl --from RUN --data FILE --out DIR",
    );
}
