/**
 * The language service on every beginning of every spec in specs/: how long an analysis takes with all its
 * hints and the arithmetic of a token, and a completion at the end of the text; then the exact bytes of all
 * models of llama3.sinter.
 *
 *   npm run study -- language [--every N]      every N-th beginning; default: each
 */
import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { analyse, exactBytes } from "../../compiler/language-service/index.ts";
import { nodeHost } from "../../runtime/node/host.ts";

const { values } = parseArgs({ options: { every: { type: "string", default: "1" } } });
const every = Number(values.every);
const folder = new URL("../../specs/", import.meta.url);

interface Timed {
  readonly ms: number;
  readonly place: string;
}

const timed = (place: string, run: () => void): Timed => {
  const begun = performance.now();
  run();
  return { ms: performance.now() - begun, place };
};

function say(what: string, all: readonly Timed[]): void {
  const sorted = all.toSorted((a, b) => a.ms - b.ms);
  const at = (share: number): string => sorted[Math.floor(share * (sorted.length - 1))]!.ms.toFixed(2);
  const worst = sorted.at(-1)!;
  console.log(
    `${what}: ${all.length} texts, median ${at(0.5)} ms, 99 % ${at(0.99)} ms, ` +
      `worst ${worst.ms.toFixed(1)} ms (${worst.place})`,
  );
}

const analyses: Timed[] = [];
const completions: Timed[] = [];
for (const name of readdirSync(folder).filter((file) => file.endsWith(".sinter"))) {
  const text = readFileSync(new URL(name, folder), "utf8");
  for (let end = 0; end <= text.length; end += every) {
    const beginning = text.slice(0, end);
    analyses.push(
      timed(`${name}, ${end} characters`, () => {
        const { inlayHints, models } = analyse(beginning);
        inlayHints();
        for (const model of models) void model.flopsPerToken;
      }),
    );
    completions.push(timed(`${name}, ${end} characters`, () => void analyse(beginning).complete(end)));
  }
}
say("diagnostics, shapes and counts", analyses);
say("completion", completions);

const { models } = analyse(readFileSync(new URL("llama3.sinter", folder), "utf8"));
const bytes = models.map(({ name, model }) => timed(name, () => void exactBytes(model, nodeHost.cores)));
say("exact bytes of llama3.sinter, model by model", bytes);
console.log(`all of them: ${bytes.reduce((sum, { ms }) => sum + ms, 0).toFixed(0)} ms`);
