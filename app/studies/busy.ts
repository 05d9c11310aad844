/**
 * npm run study -- busy [--rounds 3] [--seconds 3] [--workers 2] [--neighbours 2] [--target wide]
 * [--only train,decode] [--no-peers]
 *
 * A machine that is not quiet: tokens per second alone and beside busy processes (one for each core unless
 * `--neighbours` says otherwise), by turns, of a training step of M and of a token of GPT-2 124M in f32, with
 * all workers, with one, and with as many as are found to be fastest; and of PyTorch and onnxruntime-node,
 * where they are here. Rates are tokens over all the time that they took, not a median step's, since a step
 * that is held up counts too. What is printed are medians of the rounds, and the median of the rounds'
 * ratios, and how many runs there were beside neighbours: no run of a peer begins after four times
 * `--seconds`. A fair share with as many neighbours as workers is 0.5.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { parseArgs } from "node:util";
import { compileModel } from "../../compiler/compile.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { PROMPT, promptTokens, randomBatches } from "../../bench/measure/random-tokens.ts";
import { median } from "../../bench/measure/statistics.ts";
import { benchModel } from "../../bench/suite/bench-models.ts";
import { withOnnxFolder } from "../../bench/suite/onnx-folder.ts";
import { Peers, peers } from "../../bench/suite/peers.ts";
import { targets } from "../../runtime/contract/targets.ts";
import type { Bundle } from "../../runtime/engine/bundle.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { rateText } from "../../runtime/contract/amounts.ts";
import { named } from "../cli/options/option.ts";

const { values: o } = parseArgs({
  allowNegative: true,
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    workers: { type: "string", default: `${nodeHost.cores}` },
    neighbours: { type: "string", default: `${nodeHost.cores}` },
    target: { type: "string", default: "wide" },
    only: { type: "string", default: "train,decode" },
    peers: { type: "boolean", default: true },
  },
});
const ms = 1000 * Number(o.seconds);
const workers = Number(o.workers);
const target = named("target", targets, o.target);
const wanted = o.only.split(",");
joinPairs(target);

/** Tokens per second, and of how many runs. */
interface Measured {
  readonly rate: number;
  readonly runs: number;
}

/** Who is measured, for about `--seconds`. */
interface Side {
  readonly name: string;
  measure(): Promise<Measured>;
}

/**
 * No run of a peer begins after so long, warm-up included: threads that spin at their barriers take hundreds
 * of times as long beside neighbours, and what they have done by then is told.
 */
const MOST_MS = 4 * ms;

/** How many workers; undefined: as many as are fastest, which is what a user has who says nothing. */
type Count = number | undefined;
const countText = (count: Count): string => `${count ?? "as many as are fastest"} of Sinter`;

/** How many neighbours run: none, or all. */
const states = ["quiet", "busy"] as const;
type Rates = Readonly<Record<(typeof states)[number], Measured>>;

const opened: RunningModel[] = [];
const open = async (bundle: Bundle, module: "train" | "infer", count: Count): Promise<RunningModel> => {
  const model = await createModel(bundle, module, { host: nodeHost, workers: count, target, seed: 1 });
  opened.push(model);
  return model;
};

/** Tokens per second of runs that make `tokens` each, for as long as `--seconds` says. */
async function rateOf(tokens: number, run: () => Promise<void>): Promise<Measured> {
  // wakes the threads, brings back what others have driven out of caches, and finds how many are fastest now
  const until = performance.now() + ms / 2;
  do await run();
  while (performance.now() < until);
  const began = performance.now();
  let runs = 0;
  for (; performance.now() - began < ms; runs++) await run();
  return { rate: (1000 * runs * tokens) / (performance.now() - began), runs };
}

async function training(bundle: Bundle, count: Count): Promise<Side> {
  const model = await open(bundle, "train", count);
  const { batch, context } = model.entry("train");
  const batches = randomBatches(model);
  let step = 0;
  return {
    name: `train M, ${countText(count)}`,
    measure: () =>
      rateOf(batch * context, async () => {
        step++;
        await model.trainStep([batches[step % batches.length]!], { lr: 1e-4, step });
      }),
  };
}

/** How many tokens are decoded behind the prompt before the text begins again there. */
const DECODED = 64;

async function decoding(bundle: Bundle, count: Count): Promise<Side> {
  const model = await open(bundle, "infer", count);
  await model.feed(promptTokens(model.manifest.model.sizes.vocab), 0);
  let token = 0;
  return {
    name: `decode GPT-2, ${countText(count)}`,
    measure: () => rateOf(1, async () => void (await model.feed([token], PROMPT + (token++ % DECODED)))),
  };
}

/** The peers that are here; what is not, is said. */
async function peerSides(folder: string | undefined): Promise<{ sides: readonly Side[]; all: Peers }> {
  const all = new Peers(console.error);
  const list = [
    { peer: peers.find((p) => p.name === "PyTorch")!, what: "train", which: "M", name: "train M" },
    {
      peer: peers.find((p) => p.name === "onnxruntime-node")!,
      what: "infer",
      which: folder,
      name: "decode GPT-2",
    },
  ] as const;
  const asked = list.filter(({ which }) => which !== undefined);
  const chosen = asked.filter(({ what }) => wanted.includes(what === "train" ? "train" : "decode"));
  await all.look(chosen.map(({ peer }) => peer));
  for (const { name, about, missing } of all.states()) console.log(`${name}: ${about ?? missing}`);
  const sides = chosen
    .filter(({ peer, what }) => all.here(what).includes(peer))
    .map(({ peer, what, which, name }) => ({
      name: `${name}, ${workers} of ${peer.name}`,
      measure: async () => {
        const rows = await all.ask(peer, what, which!, name, workers, { ms, withinMs: MOST_MS });
        const row = rows.find((one) => one.what === (what === "train" ? "train" : "decode"));
        return { rate: row?.mean ?? NaN, runs: row?.runs ?? 0 };
      },
    }));
  return { sides, all };
}

/** What a neighbour does: it computes, and ends when this program has gone, however that ended. */
const NEIGHBOUR = `const parent = ${process.pid};
for (let i = 0; ; i++) if (i % 1e7 === 0 && process.ppid !== parent) process.exit();`;

/** Runs beside so many processes that do nothing but compute. */
async function beside<T>(count: number, run: () => Promise<T>): Promise<T> {
  const busy: ChildProcess[] = Array.from({ length: count }, () =>
    spawn(process.execPath, ["-e", NEIGHBOUR], { stdio: "ignore" }),
  );
  await new Promise((resolve) => setTimeout(resolve, 500)); // until they compute
  try {
    return await run();
  } finally {
    for (const process of busy) process.kill("SIGKILL");
  }
}

async function measure(sides: readonly Side[]): Promise<void> {
  const rates = new Map<string, Rates[]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round < Number(o.rounds); round++) {
    const found: Record<(typeof states)[number], Measured[]> = { quiet: [], busy: [] };
    for (const state of states)
      await beside(state === "busy" ? Number(o.neighbours) : 0, async () => {
        for (const side of sides) {
          const one = await side.measure();
          found[state].push(one);
          console.log(`round ${round + 1}, ${state}: ${side.name}: ${rateText(one.rate)}, ${one.runs} runs`);
        }
      });
    for (const [i, { name }] of sides.entries())
      rates.get(name)!.push({ quiet: found.quiet[i]!, busy: found.busy[i]! });
  }
  console.log(
    `\n${o.target}, ${o.neighbours} busy neighbours on ${nodeHost.cores} cores, ${o.rounds} rounds of ` +
      `${o.seconds} s; tokens per second`,
  );
  print("", "quiet", "busy", "busy / quiet", "busy runs", "each round");
  for (const [name, rounds] of rates) {
    const ratios = rounds.map(({ quiet, busy }) => busy.rate / quiet.rate);
    const middle = (state: (typeof states)[number]): string => {
      const rate = median(rounds.map((round) => round[state].rate));
      return rate.toFixed(rate < 100 ? 1 : 0);
    };
    print(
      name,
      middle("quiet"),
      middle("busy"),
      median(ratios).toFixed(2),
      `${rounds.reduce((sum, { busy }) => sum + busy.runs, 0)}`,
      ratios.map((ratio) => ratio.toFixed(2)).join(" "),
    );
  }
}

function print(name: string, ...cells: readonly string[]): void {
  console.log(name.padEnd(48) + cells.map((cell) => cell.padStart(14)).join(""));
}

const counts: readonly Count[] = workers === 1 ? [1] : [workers, 1, undefined];
const own: Side[] = [];
if (wanted.includes("train")) {
  const bundle = await compileModel(benchModel("M"), { targets: [target], modules: ["train"] });
  for (const count of counts) own.push(await training(bundle, count));
}
if (wanted.includes("decode")) {
  const bundle = await compileModel(benchModel("gpt2"), { targets: [target], modules: ["infer"] });
  for (const count of counts) own.push(await decoding(bundle, count));
}
const withPeers = async (folder?: string): Promise<void> => {
  const { sides, all } = await peerSides(folder);
  await measure([...own, ...sides]);
  await all.closeAll();
};
if (!o.peers) await measure(own);
else if (wanted.includes("decode")) await withOnnxFolder("gpt2", withPeers);
else await withPeers();
for (const model of opened) await model.close();
