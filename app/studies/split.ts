/**
 * npm run study -- split [--workers 16,32,64] [--target wide] [--worst 6]
 *
 * How well the work of an entry is cut for many workers, by counting (compiler/6-tile/shares.ts), without a
 * clock: the share of the busiest worker ÷ that of the mean one, of the whole entry by its arithmetic, and of
 * the kernels that lose most by it; and how often all workers meet.
 */
import { parseArgs } from "node:util";
import { callBytes, callFlops, type Call, type Program } from "../../compiler/6-tile/program.ts";
import { kernelName } from "../../compiler/6-tile/kernel-spec.ts";
import { sharesOf } from "../../compiler/6-tile/shares.ts";
import { phaseCount } from "../../compiler/8-emit/module.ts";
import { planModule } from "../../compiler/compile.ts";
import type { CompileOptions } from "../../compiler/compile-options.ts";
import type { ModuleName } from "../../runtime/contract/manifest.ts";
import { targets } from "../../runtime/contract/targets.ts";
import { named } from "../cli/options/option.ts";
import { modelIn } from "./asked.ts";

const { values: o } = parseArgs({
  options: {
    workers: { type: "string", default: "16,32,64" },
    target: { type: "string", default: "wide" },
    worst: { type: "string", default: "6" },
  },
});
const counts = o.workers.split(",").map(Number);
const target = named("target", targets, o.target);

interface Subject {
  readonly spec: string;
  readonly model: string;
  readonly module: ModuleName;
  readonly entry: string;
  readonly options?: CompileOptions;
}
const SIZES = "bench/specs/bench-sizes.sinter";
const subjects: readonly Subject[] = [
  ...["S", "M", "gpt2"].map((model) => ({ spec: SIZES, model, module: "train", entry: "train" }) as const),
  { spec: SIZES, model: "gpt2", module: "infer", entry: "decode" },
  ...["decode", "prefill"].map(
    (entry) =>
      ({
        spec: "specs/llama3.sinter",
        model: "llama3.2-1b",
        module: "infer",
        entry,
        options: { weights: "q4_0" },
      }) as const,
  ),
];

/** Arithmetic, or bytes where each number that is read is used once. */
const workOf = (entry: string, call: Call): number =>
  entry === "decode" ? callBytes(call) : callFlops(call);

function show({ spec, model: name, module, entry, options }: Subject): void {
  const model = modelIn(spec, name);
  const plan = planModule(model, module, { ...options, targets: [target] });
  const program = plan.programs.get(target)!.find((p) => p.graph.entry === entry)!;
  const kernels = kernelsOf(program, entry);
  const all = kernels.reduce((sum, { work }) => sum + work, 0);
  const whole = counts.map((_, i) => kernels.reduce((sum, k) => sum + k.work * k.imbalance[i]!, 0) / all);
  console.log(`\n${name}, ${entry}: ${phaseCount(program, plan.placement)} phases`);
  print("largest ÷ mean share, by workers:", "of all", ...counts.map(String));
  print("all kernels", "", ...whole.map((x) => x.toFixed(2)));
  const lost = ({ work, imbalance }: Kernel): number => work * (imbalance.at(-2)! - 1);
  for (const kernel of kernels.toSorted((a, b) => lost(b) - lost(a)).slice(0, Number(o.worst)))
    print(
      `${kernel.name} (${kernel.tasks} tasks, ${kernel.pieces} by turns)`,
      `${((100 * kernel.work) / all).toFixed(1)} %`,
      ...kernel.imbalance.map((x) => x.toFixed(2)),
    );
}

interface Kernel {
  readonly name: string;
  readonly tasks: number;
  readonly pieces: number;
  readonly work: number;
  readonly imbalance: readonly number[];
}

function kernelsOf(program: Program, entry: string): readonly Kernel[] {
  const calls = program.sections.flatMap(({ times, calls }) => calls.map((call) => ({ call, times })));
  return [...Map.groupBy(calls, ({ call }) => kernelName(call.spec))].map(([name, same]) => {
    const { spec } = same[0]!.call;
    return {
      name,
      tasks: sharesOf(spec, 1).tasks,
      pieces: sharesOf(spec, 1).pieces,
      work: same.reduce((sum, { call, times }) => sum + times * workOf(entry, call), 0),
      imbalance: counts.map((workers) => sharesOf(spec, workers).imbalance),
    };
  });
}

function print(name: string, ...cells: readonly string[]): void {
  console.log(name.padEnd(72) + cells.map((cell) => cell.padStart(8)).join(""));
}

for (const subject of subjects) show(subject);
