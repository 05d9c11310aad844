/** Verbs of the command line as programs of their own, as a person starts them, and what their runs tell. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** What Node is given to start the command line. */
export const sinterProgram = fileURLToPath(new URL("../../sinter.js", import.meta.url));

/** Waits for its end. Throws where that is a failure; what it says on standard error is always shown. */
export const runVerb = (words: readonly string[], output: "shown" | "hidden"): void =>
  void execFileSync(process.execPath, [sinterProgram, ...words], {
    stdio: ["inherit", output === "shown" ? "inherit" : "ignore", "inherit"],
  });

/** Begins a stage of training, or goes on with one that was stopped, which knows its data and settings. */
export function runStage(
  verb: "sft" | "prefer" | "reward",
  { from, out, steps }: { readonly from: string; readonly out: string; readonly steps: number },
  begins: readonly string[],
): void {
  const how = existsSync(out) ? ["--resume"] : ["--from", from, ...begins];
  runVerb([verb, "--out", out, "--steps", `${steps}`, "--sample-every", "0", "--json", ...how], "hidden");
}

/** Words that set settings: "lr=1e-3". */
export const setting = (...settings: readonly string[]): string[] =>
  settings.flatMap((one) => ["--set", one]);

/** The events of a run's log. */
export const logOf = <T>(run: string): readonly T[] =>
  readFileSync(join(run, "log.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);

/** The evaluations of a stage's run. */
export const evaluationsOf = (run: string): readonly Readonly<Record<string, number>>[] =>
  logOf<Readonly<Record<string, number>>>(run).filter((event) => "eval_loss" in event);
