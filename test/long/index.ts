/**
 * `npm run test:long [-- NAME … | --list] [--out DIR] [--minutes N] [--busy N]`: the campaigns of
 * campaigns.ts, or those that are named.
 * --busy: beside so many busy programs for each core.
 * Prints a table at the end. Exit code 0: no finding; 1: findings, whose evidence lies in --out; 2: wrong
 * usage.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Campaign, Outcome } from "./campaign.ts";
import { keepBusy } from "./busy.ts";
import { campaigns } from "./campaigns.ts";

const USAGE =
  "usage: npm run test:long [-- NAME …] [--list] [--out DIR] [--minutes N, for each] [--busy N, " +
  "programs for each core beside it]";
const OUT = ".cache/long"; // ignored by git

type Ran = Outcome & Pick<Campaign, "name"> & { readonly minutes: number };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    list: { type: "boolean" },
    out: { type: "string", default: OUT },
    minutes: { type: "string" },
    busy: { type: "string", default: "0" },
    help: { type: "boolean" },
  },
});
process.exitCode = await main();

async function main(): Promise<number> {
  if (values.help === true) return say(USAGE, 0);
  if (values.list === true) {
    for (const { name, covers, minutes } of campaigns)
      console.log(`${name.padEnd(8)} ${String(minutes).padStart(3)} min  ${covers}`);
    return 0;
  }
  const unknown = positionals.find((name) => !campaigns.some((c) => c.name === name));
  if (unknown !== undefined)
    return say(`there is no campaign ${unknown}: ${campaigns.map((c) => c.name).join(", ")}\n${USAGE}`, 2);
  const limit = values.minutes === undefined ? Infinity : Number(values.minutes);
  if (!(limit > 0)) return say(`--minutes takes a number above 0\n${USAGE}`, 2);

  const busy = Number(values.busy);
  if (!Number.isInteger(busy) || busy < 0 || busy > 16)
    return say(`--busy takes a whole number from 0 to 16\n${USAGE}`, 2);

  const quiet = keepBusy(busy);
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort()).once("SIGTERM", () => stop.abort());
  const ran: Ran[] = [];
  for (const row of campaigns.filter(({ name }) => positionals.length === 0 || positionals.includes(name))) {
    if (stop.signal.aborted) break;
    ran.push(await runOne({ ...row, run: await row.load() }, limit, stop.signal));
  }
  quiet();
  return report(ran);
}

async function runOne(campaign: Campaign, limit: number, stop: AbortSignal): Promise<Ran> {
  const { name } = campaign;
  const out = resolve(join(values.out, name));
  const began = performance.now();
  mkdirSync(out, { recursive: true });
  const limits = Number.isFinite(limit) ? [stop, AbortSignal.timeout(limit * 60_000)] : [stop];
  console.log(`${name}: ${campaign.covers} (evidence: ${out})`);
  const outcome = await campaign
    .run({
      out,
      say: (line) => console.log(`  ${line}`),
      signal: AbortSignal.any(limits),
    })
    .catch(broken);
  return { name, minutes: (performance.now() - began) / 60_000, ...outcome };
}

/** A campaign that cannot run has shown nothing, so that counts as a finding. */
function broken(cause: unknown): Outcome {
  const said = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return { counts: [], findings: [`the campaign itself failed: ${said}`], complete: false };
}

function report(ran: readonly Ran[]): number {
  console.log("");
  for (const { name, minutes, counts, findings, complete } of ran) {
    const state = complete ? "" : ", not to its end: start it again to go on";
    console.log(`${name} (${minutes.toFixed(1)} min${state})`);
    const width = Math.max(0, ...counts.map(([what]) => what.length));
    for (const [what, count] of counts) console.log(`  ${what.padEnd(width)}  ${count}`);
    console.log(`  ${"findings".padEnd(width)}  ${findings.length}`);
    for (const finding of findings) console.log(`  FINDING: ${finding}`);
  }
  return ran.some(({ findings }) => findings.length > 0) ? 1 : 0;
}

function say(text: string, code: number): number {
  (code === 0 ? console.log : console.error)(text);
  return code;
}
