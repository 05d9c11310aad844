/**
 * THE table of tasks that are learnt from rewards (X12 to X14):
 *
 *   addition   57+68=521⏎     two numbers of two digits, as characters; the digits of the sum come in
 *                             reverse, the ones first. 8,100 problems, a tenth of which is held out. GRPO,
 *                             with two updates from the answers of a round.
 *   sorting    210210=001122⏎ gpt-nano-sort's task: six digits of 0 … 2, 729 problems, a quarter of which is
 *                             held out. RLOO.
 *   echo       cabd>cabd⏎     words of 1 to 7 letters, said again; from weights that have learnt nothing, the
 *                             reward being how much of the beginning is right. PPO with a value head.
 */
import { randomStream } from "../../../runtime/base/random.ts";
import { characterTokenizer } from "../../../runtime/tokenizers/plain/characters.ts";
import { builtInReward } from "../../../runtime/train/rewards/read-reward.ts";
import { ruleReward } from "../../../runtime/train/rewards/reward.ts";
import { promptsOf, type PolicyTask } from "./policy-task.ts";

const END = "<|endoftext|>";
const exact = builtInReward("exact_answer")!;
const window = { least: 0.25, most: 0.4, batch: 64, lr: 2e-3, checkEvery: 5, steps: 4000 } as const;

function addition(): PolicyTask {
  const tokenizer = characterTokenizer([..."0123456789+=", END]);
  const problems = Array.from({ length: 8100 }, (_, n) => {
    const [a, b] = [10 + Math.floor(n / 90), 10 + (n % 90)];
    return [`${a}+${b}=`, [...`${a + b}`].toReversed().join("")] as const;
  });
  const prompts = promptsOf(tokenizer, problems, 0.1);
  const sizes = { context: 10, most: 4 };
  const how = { objective: "grpo", settings: { updates: 2 }, steps: 600 } as const;
  return { tokenizer, prompts, ...sizes, ...how, reward: exact, start: window };
}

function sorting(): PolicyTask {
  const tokenizer = characterTokenizer([..."012=", END]);
  const problems = Array.from({ length: 3 ** 6 }, (_, n) => {
    const digits = n.toString(3).padStart(6, "0");
    return [`${digits}=`, [...digits].toSorted().join("")] as const;
  });
  const prompts = promptsOf(tokenizer, problems, 0.25);
  const settings = { advantage: "leave_one_out" } as const;
  const sizes = { context: 14, most: 7 };
  const how = { objective: "rloo", settings, steps: 300 } as const;
  return { tokenizer, prompts, ...sizes, ...how, reward: exact, start: window };
}

const LETTERS = "abcdefgh";
const LONGEST = 7;

function echo(): PolicyTask {
  const tokenizer = characterTokenizer([...LETTERS, ">", END]);
  const random = randomStream(1, "words to echo");
  const words = Array.from({ length: 6000 }, () =>
    Array.from({ length: 1 + random.below(LONGEST) }, () => LETTERS[random.below(LETTERS.length)]!).join(""),
  );
  const problems = [...new Set(words)].map((word) => [`${word}>`, word] as const);
  const prompts = promptsOf(tokenizer, problems, 0.1);
  // the start says anything at all: what holds the policy near it keeps it trying
  const settings = { advantage: "gae", kl: 0.01, lambda: 0.95 } as const;
  // 0.1 is meant for returns that differ by 1; these differ by some 0.15, so their loss is 50 times smaller
  const weights = { value_weight: 5 } as const;
  const sizes = { context: 2 * (LONGEST + 1), most: LONGEST + 1 };
  const how = { objective: "ppo", weights, settings, steps: 1500 } as const;
  return { tokenizer, prompts, ...sizes, ...how, reward: beginning };
}

/** How much of the word is said, up to the first letter that is wrong or too many; its end counts as one. */
const beginning = ruleReward("beginning", (_prompt, answer, { answer: wanted }) => {
  const [said, word] = [[...answer], [...`${wanted as string}`]];
  const wrong = said.findIndex((letter, i) => letter !== word[i]);
  const right = wrong < 0 ? said.length : wrong;
  const ended = wrong < 0 && said.length === word.length;
  return (right + (ended ? 1 : 0)) / (word.length + 1);
});

export const policyTasks = { addition, sorting, echo } as const;
export type PolicyTaskName = keyof typeof policyTasks;
