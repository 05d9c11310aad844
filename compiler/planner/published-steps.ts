/**
 * THE table of published steps: how fast others have trained models of specs/ on how many devices, and how
 * much of a device's memory that took. `sinter plan --facts` has them beside what follows here; every second
 * row fits step-constants.ts, and tests hold the others.
 */
import type { ModelCosts } from "./costs.ts";
import { settingsOf, type Asked, type PlanSettings } from "./plan.ts";
import { acceleratorNamed } from "./tables/hardware.ts";

export interface PublishedStep {
  /** Of specs/. */
  readonly model: string;
  readonly card: string;
  readonly asked: Omit<Asked, "card">;
  /** Tokens per second of one device. */
  readonly rate: number | undefined;
  /** GiB that PyTorch reserved on the fullest device. */
  readonly gib: number | undefined;
  readonly source: string;
  /** In what it is known to differ from what is counted here. */
  readonly differs?: { readonly rate?: string; readonly gib?: string };
}

/** "llama3-8b on h100:128". */
type Where = `${string} on ${string}:${number}`;

/** A row of the table. */
export function step(
  where: Where,
  asked: Omit<Asked, "card" | "devices">,
  [rate, gib]: readonly [rate: number | undefined, gib?: number],
  source: string,
  differs?: PublishedStep["differs"],
): PublishedStep {
  const [model, cluster] = where.split(" on ") as [string, string];
  const [card, devices] = cluster.split(":") as [string, string];
  const all = { model, card, asked: { ...asked, devices: Number(devices) }, rate, gib, source };
  return { ...all, ...(differs && { differs }) };
}

export const compiled = "a step of torch.compile, PyTorch 2.11, 2026-11";
const llmc = "karpathy/llm.c, 2024-07";
const titan = "torchtitan, benchmarks of 2024-12";
const tensor = "torchtitan, benchmarks of 2025-06";
const ampere = "torchtitan, 2024-11";
const chunks = "torchtitan, issue 996";
const trainy = "Trainy, torchtitan's benchmarks of 2025-06";
const meta = "Grattafiori et al. 2024, table 4";

const whole = { states: "replicated", recompute: "none" } as const;
const selective = { recompute: "selective" } as const;
const full = { recompute: "full" } as const;
const fp8 = { precision: "fp8" } as const;
const long = { micro: 1, ...full, ...fp8 } as const;
/** Of 405B, in torchtitan: eight micro-batches of four sequences for each rank. */
const staged = {
  tensor: 8,
  pipeline: 8,
  shard: 8,
  sequence: 8192,
  micro: 4,
  batchTokens: 8 * 32 * 8192,
  ...full,
  ...fp8,
} as const;
/** Of 405B, at Meta: stages of eight layers, each layer a piece. */
const largest = {
  tensor: 8,
  pipeline: 16,
  interleaved: 8,
  micro: 1,
  batchTokens: 2 ** 24,
  recompute: "none",
} as const;
/** Operations of a token, counted causally, at 8,192 and at 131,072 positions. */
const [FLOPS, LONG_FLOPS] = [2524e9, 4046e9];
const masked = "documents did not see each other, so that attention took less than is counted";
const unknown = "no cause is known: the same stages, interleaved, reserved 10 GiB less";
const twoTables = "the same settings reserved 61.8 GiB on 128 H100 half a year before";

export const publishedSteps: readonly PublishedStep[] = [
  step("gpt2 on h100:1", { ...whole, micro: 32 }, [501_600, 15.1], compiled),
  step("gpt2 on h200:1", { ...whole, micro: 16 }, [497_000], compiled),
  step("gpt2 on h100:8", { ...whole, micro: 64 }, [468_000], llmc),
  step("gpt2 on a100:8", { ...whole, micro: 64 }, [218_000], llmc),
  step("gpt2-xl on h100:8", { ...whole, micro: 16, batchTokens: 2 ** 20 }, [47_000], llmc),
  step("llama3-8b on h100-96:8", { micro: 2, ...selective }, [6667, 77], titan),
  step("llama3-8b on h100-96:128", { micro: 2, ...selective }, [6514, 62], titan),
  step("llama3-8b on h100-96:8", { micro: 2, ...selective, ...fp8 }, [8532, 76.8], titan),
  step("llama3-8b on h100-96:128", { micro: 2, ...selective, ...fp8 }, [8380, 61.8], titan),
  step("llama3-8b on h100-96:8", { micro: 1, ...selective }, [5966, 49.58], chunks),
  step("llama3-8b on h100-96:8", { micro: 1, ...selective, lossChunks: 8 }, [undefined, 42.26], chunks),
  step("llama3-8b on h100-96:64", { tensor: 8, micro: 12, ...selective }, [4378], tensor),
  step("llama3-8b on h200:32", { micro: 2, ...selective, ...fp8 }, [10_938, 47.96], trainy, {
    gib: twoTables,
  }),
  step("llama3-8b on h200:64", { micro: 2, ...selective, ...fp8 }, [10_753, 46.97], trainy, {
    gib: twoTables,
  }),
  step("llama3-8b on a100:64", { micro: 1, ...selective }, [2973], ampere),
  step("llama3.1-8b on h100-96:8", { ...long, sequence: 32_768 }, [3890, 83.9], titan),
  step("llama3.1-8b on h100-96:8", { ...long, context: 2, sequence: 65_536 }, [2540, 84.2], titan),
  step("llama3.1-8b on h100-96:8", { ...long, context: 4, sequence: 131_072 }, [1071, 84], titan),
  step("llama3.1-8b on h100-96:8", { ...long, context: 8, sequence: 262_144 }, [548, 84.5], titan),
  step("llama3-70b on h100-96:256", { tensor: 8, micro: 16, ...full }, [597], tensor),
  step("llama3-70b on h100-96:256", { tensor: 8, micro: 16, ...full, ...fp8 }, [829, 71.9], titan),
  step("llama3-70b on a100:64", { micro: 1, ...full }, [331], ampere),
  step("llama3.1-405b on h100-96:128", { tensor: 8, micro: 2, sequence: 8192, ...full }, [109], tensor),
  step(
    "llama3.1-405b on h100-96:128",
    { tensor: 8, micro: 2, sequence: 8192, ...full, ...fp8 },
    [177],
    tensor,
  ),
  step("llama3.1-405b on h100-96:512", staged, [100, 82.5], `${titan}, 1F1B`, { gib: unknown }),
  step("llama3.1-405b on h100-96:512", { ...staged, interleaved: 2 }, [128, 72.7], `${titan}, interleaved`),
  step("llama3.1-405b on h100:8192", { ...largest, sequence: 8192 }, [430e12 / FLOPS], meta),
  step("llama3.1-405b on h100:16384", { ...largest, sequence: 8192 }, [400e12 / FLOPS], meta),
  step(
    "llama3.1-405b on h100:16384",
    { ...largest, context: 16, sequence: 131_072 },
    [380e12 / LONG_FLOPS],
    meta,
    { rate: masked },
  ),
];

/** What the planner is asked for the same step. */
export function stepSettings(costs: ModelCosts, { model, card, asked, source }: PublishedStep): PlanSettings {
  const settings = settingsOf(costs, { ...asked, card: acceleratorNamed(card)! });
  if ("together" in settings) throw new Error(`${model}, ${source}: the batch is uneven`);
  return settings;
}
