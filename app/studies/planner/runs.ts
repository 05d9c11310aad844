/**
 * `npm run study -- planner-runs`: whole runs that others have published, their hours beside ours. A
 * published run's hours hold restarts, failed starts and evaluations; ours are steps as predicted, at the
 * goodput that plans have where nothing is said.
 */
import { check } from "../../../compiler/index.ts";
import { amountText } from "../../../compiler/planner/amounts.ts";
import { planOf, type Asked } from "../../../compiler/planner/plan.ts";
import { peakOf } from "../../../compiler/planner/step-time.ts";
import { acceleratorNamed } from "../../../compiler/planner/tables/hardware.ts";
import { percent } from "../../../runtime/contract/amounts.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { mptSpec } from "./fit.ts";
import { bloomAsked, llama, otherModel } from "./other-steps.ts";

export interface OtherRun {
  readonly title: string;
  readonly card: string;
  readonly tokens: number;
  /** Device hours. */
  readonly hours: number;
  readonly source: string;
  /** Its structure and how it is planned; absent: it has none in Sinter, and parameters that a token uses. */
  readonly planned?: { readonly model: Model; readonly asked: Omit<Asked, "card" | "tokens"> };
  readonly parameters?: number;
}

const model = (spec: string): Model => check(spec).models[0]!;
const llama1 = (sizes: string, hidden: number): Model => model(llama(`context 2048  ${sizes}`, hidden));
const cards1 = "Touvron et al. 2023a, table 15";
const cards2 = "Touvron et al. 2023b, table 2";
const first = { sequence: 2048, batchTokens: 2 ** 22, recompute: "selective" } as const;
const second = { ...first, sequence: 4096 } as const;

/** `devices`, `shard` and `micro` are theirs where they have said them, else a usual way of that size. */
export const otherRuns: readonly OtherRun[] = [
  ...(
    [
      ["7B", "width 4096  layers 32  heads 32", 11_008, 1e12, 82_432],
      ["13B", "width 5120  layers 40  heads 40", 13_824, 1e12, 135_168],
      ["33B", "width 6656  layers 60  heads 52", 17_920, 1.4e12, 530_432],
      ["65B", "width 8192  layers 80  heads 64", 22_016, 1.4e12, 1_022_362],
    ] as const
  ).map(([size, sizes, hidden, tokens, hours]) => ({
    title: `Llama ${size}`,
    card: "a100",
    tokens,
    hours,
    source: cards1,
    planned: { model: llama1(sizes, hidden), asked: { ...first, devices: 2048, shard: 256 } },
  })),
  ...(
    [
      ["7b", 184_320],
      ["13b", 368_640],
      ["70b", 1_720_320],
    ] as const
  ).map(([size, hours]) => ({
    title: `Llama 2 ${size.toUpperCase()}`,
    card: "a100",
    tokens: 2e12,
    hours,
    source: cards2,
    planned: { model: otherModel(`llama2-${size}`), asked: { ...second, devices: 1024, shard: 256 } },
  })),
  {
    title: "Llama 2 7B, IBM's replica",
    card: "a100",
    tokens: 2.2e12,
    hours: 162_000,
    source: "foundation-model-stack/fms-fsdp, 2024",
    planned: { model: otherModel("llama2-7b"), asked: { devices: 128, shard: 8, sequence: 4096, micro: 2 } },
  },
  {
    title: "BLOOM",
    card: "a100",
    tokens: 366e9,
    hours: 1_082_990,
    source: "BigScience, 2022",
    planned: { model: otherModel("bloom"), asked: bloomAsked },
  },
  {
    title: "MPT-7B",
    card: "a100-40",
    tokens: 1e12,
    hours: 440 * 9.5 * 24,
    source: "MosaicML, 2023: 440 cards, 9.5 days",
    planned: {
      model: model(mptSpec("7b", 2048)),
      asked: { devices: 440, sequence: 2048, micro: 2, recompute: "full" },
    },
  },
  {
    title: "SmolLM3 3B",
    card: "h100",
    tokens: 11e12,
    hours: 220_000,
    source: "Hugging Face, 2025: 384 cards, 24 days",
    planned: {
      model: model(
        llama("context 4096  width 2048  layers 36  heads 16  kv_heads 4", 11_008)
          .replace("vocab 32000", "vocab 128256")
          .replace("output linear(rmsnorm(x))", "output linear(rmsnorm(x), tied: true)"),
      ),
      asked: { devices: 384, tensor: 2, sequence: 4096, micro: 3, recompute: "none" },
    },
  },
  {
    title: "PaLM 540B",
    card: "tpu-v4",
    tokens: 780e9,
    hours: 6144 * 1200 + 3072 * 336,
    source: "Chowdhery et al. 2022",
    parameters: 540.35e9,
  },
  {
    title: "DeepSeek-V3",
    card: "h100",
    tokens: 14.8e12,
    hours: 2.664e6,
    source: "DeepSeek-AI 2024, H800",
    parameters: 37e9,
  },
];

export interface RunBeside {
  readonly run: OtherRun;
  /** Of the run's own hours, by 6 · N · D; and hours as planned. */
  readonly utilisation: number;
  readonly hours: number | undefined;
}

export function runBeside(run: OtherRun): RunBeside {
  const card = acceleratorNamed(run.card)!;
  const peak = peakOf(card, "bf16");
  const plan = run.planned && planOf(run.planned.model, { ...run.planned.asked, card, tokens: run.tokens });
  if (plan && "together" in plan)
    throw new Error(`${run.title}: ${plan.together} tokens of all ranks do not make up ${plan.batchTokens}`);
  const parameters = plan?.costs.activeParameters ?? run.parameters!;
  return {
    run,
    utilisation: (6 * parameters * run.tokens) / (run.hours * 3600 * peak),
    hours: plan?.run.hours,
  };
}

export function reportRuns(): void {
  for (const { run, utilisation, hours } of otherRuns.map(runBeside)) {
    const said = `${amountText(run.hours)} hours of ${run.card}, ${percent(utilisation, 1)} by 6·N·D`;
    const ours = hours
      ? `${amountText(hours)} (${(hours / run.hours).toFixed(2)} ×)`
      : "not in Sinter's terms";
    console.log(`${run.title}: published ${said} (${run.source}); here ${ours}`);
  }
}
