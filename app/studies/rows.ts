/**
 * npm run study -- rows --model SPEC:NAME:WEIGHTS[:CACHE]… [--rows 1,2,4,8,16] [--position 128]
 * [--workers 2] [--target wide] [--ms 6000]
 *
 * A token of each of B texts in one run (the lanes of a module), for several B by turns: tokens per second of
 * all rows together, and how many times one row's that is. Beside it the roofline, in tokens per second: by
 * the time that memory needs for weights and caches, or arithmetic for the multiply-adds, whichever is
 * longer, at the limits that are measured between the runs. "Possible" is B, or what the roofline allows as a
 * multiple of one row's measured rate where that is less. Ratios are medians of those within a cycle of all
 * numbers of rows, since machines get faster and slower. Weights are drawn at random: speed does not depend
 * on them. A mixture's rows are counted as if all went to the same experts.
 */
import { parseArgs } from "node:util";
import { compileModel } from "../../compiler/compile.ts";
import { joinPairs } from "../../bench/measure/kernel-numbers.ts";
import { limitMeter, MEMORY_BYTES, type LimitMeter } from "../../bench/measure/limits.ts";
import { median } from "../../bench/measure/statistics.ts";
import { bytesPerToken } from "../../bench/suite/bench-infer.ts";
import { percent, sizeText } from "../../runtime/contract/amounts.ts";
import type { CacheFormat } from "../../runtime/contract/memory-formats.ts";
import type { Model } from "../../runtime/contract/model.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { fillTensors } from "../../runtime/engine/fill.ts";
import { createModel, type RunningModel } from "../../runtime/engine/model.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { named } from "../cli/options/option.ts";
import { weightsFrom } from "../cli/options/weights.ts";
import { missing, modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    model: { type: "string", multiple: true, default: [] },
    rows: { type: "string", default: "1,2,4,8,16" },
    position: { type: "string", default: "128" },
    workers: { type: "string", default: "2" },
    target: { type: "string", default: "wide" },
    ms: { type: "string", default: "6000" },
  },
});
const counts = o.rows.split(",").map(Number);
const [workers, position] = [Number(o.workers), Number(o.position)];
const target = named("target", targets, o.target);
/** Tokens that a text is fed before it begins again at `position`. */
const STEPS = 16;
/** Runs of one number of rows, one after the other, before another number has its turn. */
const RUNS = 5;
joinPairs(target);
if (counts[0] !== 1) throw missing("--rows begins with 1: the others are compared with it");
if (o.model.length === 0) throw missing("--model SPEC:NAME:WEIGHTS says what is measured");
for (const text of o.model) await measure(text);

async function measure(text: string): Promise<void> {
  const [spec, name, weightsText, cache = "f32"] = text.split(":") as [string, string, string, CacheFormat?];
  const source = modelIn(spec, name);
  const context = Math.min(source.sizes.context, position + STEPS);
  const shorter: Model = { ...source, sizes: { ...source.sizes, context } };
  const weights = weightsFrom(weightsText);
  const lanes = Math.max(...counts);
  const how = { targets: [target], modules: ["infer"], weights, cache, lanes } as const;
  const model = await createModel(await compileModel(shorter, how), "infer", {
    host: nodeHost,
    workers,
    target,
  });
  fillTensors(model.of("parameter"));
  const bytes = bytesPerToken(shorter, { weights });
  const cacheBytes = (model.module.cache!.bytes / lanes) * (position / context);
  const meter = limitMeter();
  const cycles = await byTurns(model, meter);
  const integers = weightsText === "q8_0" || weightsText === "q4_0" ? weightsText : undefined;
  const arithmetic = await meter.arithmetic(integers ?? "f32", target, workers);
  await meter.close();
  const { flops } = model.entry("decode");
  await model.close();

  const over = (of: (cycle: Cycle) => number): number => median(cycles.map(of));
  console.log(
    `\n${name} in ${weightsText}, cache in ${cache}, ${target}, ${workers} workers, position ${position}: ` +
      `${sizeText(bytes)} of weights a run, ${sizeText(cacheBytes)} of keys and values and ` +
      `${(flops / 1e6).toFixed(0)} M operations a row; limits ${over(({ read }) => read).toFixed(1)} GB/s, ` +
      `${arithmetic.toFixed(0)} ${integers ? "GOP/s of integers" : "GFLOP/s"}`,
  );
  print("rows", "ms", "tok/s", "× one row", "possible", "of it", "roofline", "of it", "bound by");
  for (const [i, B] of counts.entries()) {
    const arithmeticMs = (B * flops) / arithmetic / 1e6;
    const memoryMs = ({ read }: Cycle): number => (bytes + B * cacheBytes) / read / 1e6;
    const leastMs = (cycle: Cycle): number => Math.max(memoryMs(cycle), arithmeticMs);
    const ms = over((cycle) => cycle.ms[i]!);
    const gain = over((cycle) => (B * cycle.ms[0]!) / cycle.ms[i]!);
    const possible = Math.min(
      B,
      over((cycle) => (B * cycle.ms[0]!) / leastMs(cycle)),
    );
    print(
      `${B}`,
      ms.toFixed(2),
      ((1000 * B) / ms).toFixed(1),
      gain.toFixed(2),
      possible.toFixed(2),
      percent(gain / possible),
      ((1000 * B) / over(leastMs)).toFixed(1),
      percent(over((cycle) => leastMs(cycle) / cycle.ms[i]!)),
      over(memoryMs) > arithmeticMs ? "memory" : "arithmetic",
    );
  }
}

/** What was measured in one go: the read limit in GB/s, and milliseconds of a run of each number of rows. */
interface Cycle {
  readonly read: number;
  readonly ms: readonly number[];
}

async function byTurns(model: RunningModel, meter: LimitMeter): Promise<readonly Cycle[]> {
  const cycles: Cycle[] = [];
  const { vocab } = model.manifest.model.sizes;
  let step = 0;
  const run = async (B: number): Promise<number> => {
    step++;
    const began = performance.now();
    await model.inTurn((lanes) =>
      lanes.run(
        lanes.all.slice(0, B).map((lane, row) => ({
          lane,
          start: position + ((step + row) % STEPS),
          tokens: [(step * 7919 + row * 104_729) % vocab],
        })),
      ),
    );
    return performance.now() - began;
  };
  const several = async (B: number): Promise<number> => {
    await run(B); // the last number of rows has left other things in caches
    const times: number[] = [];
    for (let n = 0; n < RUNS; n++) times.push(await run(B));
    return median(times);
  };
  for (const B of counts) await several(B); // touches all pages once
  const logits = new Float32Array(vocab);
  await model.inTurn(async (lanes) => lanes.readLogits(logits.subarray(0, lanes.classes)));
  if (!logits.every(Number.isFinite)) throw new Error("logits are not finite: not timed");
  for (const until = performance.now() + Number(o.ms); cycles.length < 3 || performance.now() < until;) {
    const read = await meter.read(MEMORY_BYTES, workers);
    const ms: number[] = [];
    for (const B of counts) ms.push(await several(B));
    cycles.push({ read, ms });
  }
  return cycles;
}

function print(...cells: readonly string[]): void {
  console.log(cells.map((cell, i) => cell.padStart(i === 0 ? 5 : 12)).join(""));
}
