/**
 * Rewards as the command line names them: built-in ones, runs of `sinter reward`, and modules of one's own,
 * whose code runs and which have an option of their own for that reason.
 */
import { parse } from "node:path";
import { pathToFileURL } from "node:url";
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { holdsRun } from "../../../runtime/store/run-folder.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import {
  builtInForms,
  builtInReward,
  splitWeight,
  type WeighedReward,
} from "../../../runtime/train/rewards/read-reward.ts";
import { ruleReward, type Rule } from "../../../runtime/train/rewards/reward.ts";
import { nameOf, readBytes } from "../terminal/input.ts";
import { pathFrom, type Io } from "../terminal/io.ts";
import { openReward } from "./reward.ts";
import type { OpenedRewards } from "./rl.ts";

/** What is asked for, or what a record has. */
export interface WrittenRewards {
  /** "0.2*json", "share_of:aeiou". */
  readonly names: readonly string[];
  /** Modules of JavaScript, as absolute paths. */
  readonly code: readonly string[];
  /** The hashes of these, where a run goes on. */
  readonly hashes?: readonly string[] | undefined;
}

const MOST_CODE_BYTES = 16 * 2 ** 20;

/** Throws SinterError where a reward is not known, or where a module is another than the run began with. */
export async function openRewards({ names, code, hashes }: WrittenRewards, io: Io): Promise<OpenedRewards> {
  const rewards: WeighedReward[] = [];
  const known: string[] = [];
  for (const name of names) known.push((await isRun(name, io)) ? withFullPaths([name], io)[0]! : name);
  for (const name of known) rewards.push(await named(name, io));
  const found: string[] = [];
  for (const [i, written] of code.entries()) {
    const { weight, text: path } = splitWeight(written);
    const bytes = readBytes(path, io, MOST_CODE_BYTES, { hint: "It is a module: export default …" });
    found.push(await sha256(bytes));
    if (hashes && hashes[i] !== found[i])
      throw new SinterError(
        "input",
        `${nameOf(path)} is not the reward that this run began with`,
        "Restore the file, or begin another run with --out DIR.",
      );
    rewards.push({ weight, reward: ruleReward(parse(path).name, await ruleIn(path)) });
  }
  const written: WrittenRewards = { names: known, code, ...(code.length > 0 && { hashes: found }) };
  const close = async (): Promise<void> => {
    for (const { reward } of rewards) await reward.close?.();
  };
  return { rewards, written: JSON.stringify(written), close };
}

/** The rewards that a record names. */
export const recordedRewards = (settings: Readonly<Record<string, string | number>> | undefined) =>
  JSON.parse(String(settings?.["rewards"] ?? '{"names":[],"code":[]}')) as WrittenRewards;

/** The folders of the reward models among them, as a record has them: with full paths. */
export const judgesIn = ({ names }: WrittenRewards): readonly string[] =>
  names.map((name) => splitWeight(name).text).filter((text) => builtInReward(text) === undefined);

/** With paths that do not depend on the folder in which the command was given. */
export const withFullPaths = (code: readonly string[], io: Io): readonly string[] =>
  code.map((written) => {
    const { weight, text } = splitWeight(written);
    return weight === 1 ? pathFrom(io, text) : `${weight}*${pathFrom(io, text)}`;
  });

/** Whether a reward is named by the folder of a run. */
async function isRun(written: string, io: Io): Promise<boolean> {
  const { text } = splitWeight(written);
  return builtInReward(text) === undefined && (await holdsRun(nodeFiles(), pathFrom(io, text)));
}

async function named(written: string, io: Io): Promise<WeighedReward> {
  const { weight, text } = splitWeight(written);
  const reward = builtInReward(text);
  if (reward) return { reward, weight };
  if (await isRun(written, io))
    return { reward: await openReward(text, { workers: 1, target: undefined }, io), weight };
  throw new SinterError(
    "usage",
    `there is no reward \`${text}\``,
    `Rewards: ${builtInForms.join(", ")}, or the folder of a run of sinter reward. ` +
      "A weight may stand before one: 0.2*json. Code of yours: --reward-code FILE.",
  );
}

/** The default export of a module. Its code runs with all that the user may do. */
async function ruleIn(path: string): Promise<Rule> {
  let found: unknown;
  try {
    found = ((await import(pathToFileURL(path).href)) as { readonly default?: unknown }).default;
  } catch (cause) {
    throw new SinterError("input", `${nameOf(path)}: ${(cause as Error).message}`, FORM);
  }
  if (typeof found === "function") return found as Rule;
  throw new SinterError("input", `${nameOf(path)} has no function as its default export`, FORM);
}

const FORM = "Write: export default (prompt, answer, row) => number, or null for no score.";
