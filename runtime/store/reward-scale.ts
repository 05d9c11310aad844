/** reward.json of a reward run: what its scores are counted from (RewardScale). */
import { writeText, type Files } from "../base/files.ts";
import { SinterError } from "../base/errors.ts";
import * as s from "../base/schema.ts";
import type { RewardScale } from "../train/score-answers.ts";

export const REWARD_FILE = "reward.json";

const any = s.real(-Number.MAX_VALUE, Number.MAX_VALUE);
const check = s.object({ mean: any, std: any, answers: s.integer(1, Number.MAX_SAFE_INTEGER) });

export const writeRewardScale = (files: Files, folder: string, scale: RewardScale): Promise<void> =>
  writeText(files, folder, REWARD_FILE, `${JSON.stringify(scale)}\n`);

/** Throws SinterError where the run has not come to its end, or the file is damaged. */
export async function readRewardScale(files: Files, folder: string): Promise<RewardScale> {
  const path = `${folder}/${REWARD_FILE}`;
  if (!(await files.exists(path)))
    throw new SinterError(
      "input",
      `${path} is missing: the run has not come to its end`,
      `Go on with it: sinter reward --resume --out ${folder}`,
    );
  const damaged = (why: string): SinterError =>
    new SinterError("corrupt", `${path}: ${why}`, "Restore it from a copy, or train the run again.");
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(await files.read(path)));
  } catch {
    throw damaged("it is no JSON");
  }
  const wrong = check(value, "");
  if (wrong !== undefined) throw damaged(wrong);
  return value as RewardScale;
}
