/**
 * Published steps of models that have no spec here, beside compiler/planner/published-steps.ts: their specs,
 * and how fast they were. Both tables together fit the constants of compiled programs.
 */
import { check } from "../../../compiler/index.ts";
import { compiled, step, type PublishedStep } from "../../../compiler/planner/published-steps.ts";
import type { Model } from "../../../runtime/contract/model.ts";

const gpt = (sizes: string): string => `model m {
  ${sizes}
  embed token + position
  layer { x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 4 * width, bias: true) }
  output linear(layernorm(x), tied: true)
}`;
const megatron = (sizes: string): string => gpt(`vocab 51200  context 2048  ${sizes}`);
export const llama = (sizes: string, hidden: number): string => `model m {
  vocab 32000  ${sizes}
  embed token
  layer { x += attention(rmsnorm(x), rope: rope())  x += swiglu(rmsnorm(x), hidden: ${hidden}) }
  output linear(rmsnorm(x))
}`;

const llama2 = (sizes: string, hidden: number): string => llama(`context 4096  ${sizes}`, hidden);

const specs = {
  "gpt2-xl-12-layers": gpt("vocab 50257  context 1024  width 1600  layers 12  heads 25"),
  "megatron-22b": megatron("width 6144  layers 48  heads 64"),
  "megatron-175b": megatron("width 12288  layers 96  heads 96"),
  "megatron-530b": megatron("width 20480  layers 105  heads 128"),
  "megatron-1t": megatron("width 25600  layers 128  heads 160"),
  /** Positions are slopes of attention, which Sinter does not have; they multiply nothing. */
  bloom: megatron("width 14336  layers 70  heads 112").replace("51200", "250880").replace("+ position", ""),
  "llama2-7b": llama2("width 4096  layers 32  heads 32", 11_008),
  "llama2-13b": llama2("width 5120  layers 40  heads 40", 13_824),
  "llama2-34b": llama2("width 8192  layers 48  heads 64  kv_heads 8", 22_016),
  "llama2-70b": llama2("width 8192  layers 80  heads 64  kv_heads 8", 28_672),
} as const;

export const otherModel = (name: string): Model => ({
  ...check(specs[name as keyof typeof specs]).models[0]!,
  name,
});

const fms = "foundation-model-stack/fms-fsdp, 2024";
const ethernet = { rate: "replicas exchange gradients over Ethernet, slower than the network counted here" };
const korthikanti = "Korthikanti et al. 2022, table 5";
const divided = { sequence: 2048, tensor: 8, states: "optimizer" } as const;

/** How BLOOM was divided over its 384 devices. */
export const bloomAsked = {
  devices: 384,
  tensor: 4,
  pipeline: 12,
  shard: 8,
  states: "optimizer",
  micro: 2,
  sequence: 2048,
  batchTokens: 2048 * 2048,
  recompute: "full",
} as const;

/** Seconds of a step of so many sequences of 2048 tokens on so many devices → tokens per second of one. */
const rateOf = (seconds: number, sequences: number, devices: number): number =>
  (sequences * 2048) / seconds / devices;

export const otherSteps: readonly PublishedStep[] = [
  step(
    "gpt2-xl-12-layers on h100:1",
    { micro: 8, states: "replicated", recompute: "none" },
    [145_000],
    compiled,
  ),
  step("llama2-7b on a100:128", { shard: 8, micro: 2, recompute: "none" }, [3760], fms, ethernet),
  step("llama2-13b on a100:128", { shard: 8, micro: 1, recompute: "none" }, [1700], fms, ethernet),
  step("llama2-34b on a100:128", { micro: 8, recompute: "full" }, [772], fms),
  step("llama2-70b on a100:128", { micro: 6, recompute: "full" }, [380], fms),
  step(
    "megatron-22b on a100:8",
    { ...divided, micro: 4, batchTokens: 4 * 2048, recompute: "none" },
    [rateOf(1.1, 4, 8)],
    korthikanti,
  ),
  step(
    "megatron-175b on a100:64",
    { ...divided, pipeline: 8, interleaved: 3, micro: 1, batchTokens: 64 * 2048, recompute: "none" },
    [rateOf(13.75, 64, 64)],
    korthikanti,
  ),
  step(
    "megatron-530b on a100:280",
    { ...divided, pipeline: 35, interleaved: 3, micro: 1, batchTokens: 280 * 2048, recompute: "none" },
    [rateOf(37.83, 280, 280)],
    korthikanti,
  ),
  step(
    "megatron-1t on a100:512",
    { ...divided, pipeline: 64, micro: 1, batchTokens: 512 * 2048, recompute: "none" },
    [rateOf(71.49, 512, 512)],
    korthikanti,
  ),
  step(
    "megatron-175b on a100:1024",
    { ...divided, pipeline: 8, micro: 1, batchTokens: 1536 * 2048, recompute: "full" },
    [rateOf(32, 1536, 1024)],
    "NVIDIA/Megatron-LM, README of 2022-06: 138 TFLOP/s, what is computed again counted",
  ),
  step(
    "bloom on a100:384",
    bloomAsked,
    [150e12 / (8 * 176.2e9)],
    "BLOOM, 2022: 150 TFLOP/s, what is computed again counted",
  ),
];
