/**
 * README's chain from a text to rewards, as it stands there: does learning from a judge and from right
 * answers bring more than choosing the best of several answers of the model before it? And what is left of
 * the base's text?
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runPatiently } from "../support/patient.ts";
import { root } from "../support/paths.ts";
import { chainBlocks, likeness, readersEnvironment } from "../support/readme-blocks.ts";
import type { Campaign, Outcome } from "./campaign.ts";

interface Answers {
  readonly reward: number;
  readonly "best@8": number;
  readonly "rewards/contains/mean": number;
  readonly "rewards/contains/best@8": number;
  readonly "rewards/judge/mean": number;
}
/** What `eval --json` says of a run that has learnt from rewards. */
interface Evaluated extends Answers {
  readonly start: Answers;
  readonly "objective/kl": number;
}

export const chain: Campaign["run"] = async ({ out, say, signal }) => {
  const folder = likeness();
  const run = async (command: string): Promise<string> => {
    say(command.split("\n")[0]!);
    const { exit, output } = await runPatiently(command, { cwd: folder, env: readersEnvironment() });
    writeFileSync(join(out, "output.txt"), `${command}\n${output}\n`, { flag: "a" });
    if (exit !== 0) throw new Error(`exit code ${exit}: ${command}\n${output.slice(-2000)}`);
    return output;
  };
  try {
    const began = performance.now();
    for (const block of chainBlocks(readFileSync(join(root, "README.md"), "utf8"))) {
      if (signal.aborted) return { counts: [], findings: [], complete: false };
      await run(block);
    }
    const seconds = (performance.now() - began) / 1000;
    const end = json<Evaluated>(await run("npx sinter eval runs/sums-rl --answers 800 --json"));
    const losses: number[] = [];
    for (const name of ["text", "sums", "sums-rl"]) {
      const said = await run(`npx sinter eval runs/${name} --text --context 128 --json`);
      losses.push(json<{ readonly loss: number }>(said).loss);
    }
    return outcome(end, losses, seconds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** The last line that is JSON. */
const json = <T>(output: string): T =>
  JSON.parse(output.split("\n").findLast((line) => line.startsWith("{"))!) as T;

function outcome(end: Evaluated, losses: readonly number[], seconds: number): Outcome {
  const { start } = end;
  const compared = [
    ["reward", end.reward, start["best@8"]],
    ["right answers", end["rewards/contains/mean"], start["rewards/contains/best@8"]],
  ] as const;
  return {
    counts: [
      ["seconds of README's commands", seconds.toFixed(0)],
      ["reward before", start.reward.toFixed(4)],
      ["right answers before", start["rewards/contains/mean"].toFixed(4)],
      ...compared.flatMap(([what, now, best]) => [
        [`${what} of the best of 8 before`, best.toFixed(4)] as const,
        [`${what} after`, now.toFixed(4)] as const,
      ]),
      ["what the judge thinks, before", start["rewards/judge/mean"].toFixed(4)],
      ["and after", end["rewards/judge/mean"].toFixed(4)],
      ["nats per answer from the start", end["objective/kl"].toFixed(3)],
      ["loss over the text: base, sft, rl", losses.map((loss) => loss.toFixed(3)).join(", ")],
    ],
    findings: compared
      .filter(([, now, best]) => now <= best)
      .map(([what, now, best]) => `${what}: ${now} of one answer, ${best} of the best of 8 before rewards`),
    complete: true,
  };
}
