/**
 * Bytes of the fullest device while a model is trained. States are exact; activations are the sum of what the
 * backward reads (costs.ts); the rest follows the published implementations, and is named as what it is.
 */
import type { ModelCosts } from "./costs.ts";
import type { Degrees } from "./degrees.ts";
import { stateSchemes, statesOf, type Recompute, type StateScheme } from "./tables/choices.ts";
import { paddedVocab } from "./padded-vocab.ts";
import { parameterRows } from "../2-check/parameters.ts";
import type { Optimizer } from "../../runtime/contract/model.ts";
import { POSITION_TABLE } from "../../runtime/contract/parameter-names.ts";

export interface MemorySettings extends Degrees {
  readonly states: StateScheme;
  readonly optimizer: Optimizer;
  readonly recompute: Recompute;
  readonly sequence: number;
  /** Sequences of one micro-batch on one rank. */
  readonly micro: number;
  /** Micro-batches of a step, and pieces of a pipeline stage that take turns. */
  readonly accumulation: number;
  readonly interleaved: number;
  /** The output layer's rows are computed in so many pieces. */
  readonly lossChunks: number;
}

export interface MemoryTerm {
  readonly name: string;
  readonly bytes: number;
}

export interface DeviceMemory {
  readonly terms: readonly MemoryTerm[];
  /** What PyTorch reserves, which is what others publish; and with what lies beside it. */
  readonly reserved: number;
  readonly bytes: number;
}

/** CUDA's context and the collectives' buffers, beside what PyTorch reserves. */
const CONTEXT_BYTES = 1.5 * 2 ** 30;
/** By how much an allocator reserves more than is used. */
const ALLOCATOR = 1.07;
/**
 * Of each logit at the loss, by whoever measured it. A model that is whole, compiled with its loss: logits
 * and their gradient in bf16 (GPT-2, 32 × 1024, PyTorch 2.11: 15.1 GiB). Sharded: a copy in fp32 and
 * temporaries besides (torchtitan, where chunks spare 7.5). With tensor parallelism, whose loss over parts of
 * the vocabulary is not compiled, log-softmax and gradient in fp32 come on top.
 */
const LOGIT_BYTES = { compiled: 4, sharded: 9.5, eager: 18 } as const;
/** FSDP2: two blocks gathered in bf16, one's gradients in bf16, and its reduction in fp32. */
const GATHERED_BYTES = 2 * 2 + 2 + 4;
/**
 * The table's unit stays gathered between forward and backward: bf16 weight, bf16 gradient, fp32 reduction.
 */
const TABLE_BYTES = 2 + 2 + 4;
/**
 * Under a pipeline a stage stays gathered for all micro-batches, and adds up its gradients in fp32; then it
 * reduces layer by layer.
 */
const STAGE_BYTES = 2 + 4;
const REDUCTION_BYTES = 4;

export function deviceMemory(costs: ModelCosts, s: MemorySettings): DeviceMemory {
  const local = stageParameters(costs, s);
  const { divided, whole } = statesOf(s.states, s.optimizer);
  const used: MemoryTerm[] = [
    { name: "weights, gradients, moments", bytes: divided * dividedParameters(local, s) + whole * local.all },
    { name: "gathered while they are used", bytes: gatheredBytes(local, s) },
    ...textBytes(costs, s),
  ];
  const sum = total(used);
  const reserved = [...used, { name: "allocator (7 %)", bytes: (ALLOCATOR - 1) * sum }];
  const terms = [...reserved, { name: "context and collectives", bytes: CONTEXT_BYTES }];
  return { terms, reserved: total(reserved), bytes: total(terms) };
}

const total = (terms: readonly MemoryTerm[]): number => terms.reduce((sum, { bytes }) => sum + bytes, 0);

/** Experts that are divided already are sharded among fewer devices: all of them together stay `shard`. */
export const expertShard = ({ shard, expert }: Degrees): number => Math.max(1, shard / expert);

/** Of a stage's parameters, how many a device keeps where they are divided. */
export const dividedParameters = ({ all, experts }: StageParameters, s: Degrees): number =>
  (all - experts) / s.shard + experts / expertShard(s);

/** FSDP's copies of what other devices keep. */
function gatheredBytes({ all, layer, tables }: StageParameters, s: MemorySettings): number {
  const { divided, whole } = stateSchemes[s.states];
  if (divided === 0 || whole > 0 || s.shard === 1) return 0;
  return s.pipeline > 1
    ? STAGE_BYTES * all + REDUCTION_BYTES * layer
    : GATHERED_BYTES * layer + TABLE_BYTES * tables;
}

/**
 * What the tokens of micro-batches take on the fullest device: of a pipeline the first stage has most of them
 * in flight, the last one has the logits.
 */
function textBytes(costs: ModelCosts, s: MemorySettings): MemoryTerm[] {
  const tokens = (s.micro * s.sequence) / s.context;
  const { vocab } = costs.model.sizes;
  const logits = (logitBytes(s) * tokens * paddedVocab(vocab)) / s.tensor / s.lossChunks;
  const end = (flying: number, loss: number): MemoryTerm[] => [
    { name: "activations", bytes: activationBytes(costs, s, tokens, flying) },
    { name: "logits and their loss", bytes: loss },
  ];
  const { first, last } = inFlight(s);
  const [begin, finish] = [end(first, s.pipeline === 1 ? logits : 0), end(last, logits)];
  return total(begin) >= total(finish) ? begin : finish;
}

function logitBytes({ tensor, states }: MemorySettings): number {
  if (tensor > 1) return LOGIT_BYTES.eager;
  return LOGIT_BYTES[stateSchemes[states].divided === 0 ? "compiled" : "sharded"];
}

/**
 * What a layer keeps of one token for the backward. A compiler computes again what is made element by
 * element; under autocast (states on every device) sums stay in four bytes.
 */
export function savedBytes(costs: ModelCosts, { recompute, states }: RecomputeSettings): number {
  const isWide = stateSchemes[states].divided === 0;
  const input = costs.inputBytes * (isWide ? 2 : 1);
  if (recompute === "full") return input;
  const all = costs.saved
    .filter(({ isCheap }) => !isCheap)
    .reduce((sum, { bytes, isSum }) => sum + bytes * (isSum && isWide ? 2 : 1), 0);
  // "selective": what attention gives, and every second product
  return recompute === "none" ? all : Math.min(all, input + costs.attendedBytes + costs.productBytes / 2);
}
type RecomputeSettings = Pick<MemorySettings, "recompute" | "states">;

/** With tensor parallelism sequences are divided where rows are whole (sequence parallelism). */
function activationBytes(costs: ModelCosts, s: MemorySettings, tokens: number, flying: number): number {
  const layers = Math.ceil(costs.model.sizes.layers / s.pipeline);
  const each = (recompute: Recompute): number => (savedBytes(costs, { ...s, recompute }) * tokens) / s.tensor;
  const again = s.recompute === "none" ? 0 : each("none") - each(s.recompute);
  return layers * flying * each(s.recompute) + again;
}

/**
 * Micro-batches whose activations a stage keeps at most: 1F1B has as many as stages follow, and with stages
 * in pieces a few more pieces are begun.
 */
function inFlight(s: MemorySettings): { first: number; last: number } {
  const { pipeline: p, interleaved: v, accumulation } = s;
  const first = v === 1 ? p : p + (p - 1) / v;
  const last = ((v - 1) * p + 1) / v;
  return { first: Math.min(accumulation, first), last: Math.min(accumulation, last) };
}

export interface StageParameters {
  /** Of the fullest stage on one of its devices; of one layer; of the tables of that stage. */
  readonly all: number;
  readonly layer: number;
  readonly tables: number;
  /** How many of all are experts'. */
  readonly experts: number;
}

/** The fullest stage has as many layers as any, and the token table or the output, or both. */
export function stageParameters(costs: ModelCosts, s: Degrees): StageParameters {
  const rows = parameterRows(costs.model);
  const onDevice = (section: string): { all: number; experts: number } => {
    const tensors = rows.filter((row) => row.section === section).flatMap((row) => row.tensors);
    const isExperts = ({ shape }: { shape: readonly number[] }): boolean => shape.length === 3;
    const elements = (t: (typeof tensors)[number]): number =>
      t.shape.reduce((a, b) => a * b, 1) /
      (isWhole(t.name, t.shape) ? 1 : s.tensor) /
      (isExperts(t) ? s.expert : 1);
    const sum = (some: typeof tensors): number => some.reduce((n, t) => n + elements(t), 0);
    return { all: sum(tensors), experts: sum(tensors.filter(isExperts)) };
  };
  const layer = onDevice("layer");
  const ends = [onDevice("embed").all, onDevice("output").all + onDevice("head").all];
  const tables = s.pipeline === 1 ? ends[0]! + ends[1]! : Math.max(...ends);
  const layers = Math.ceil(costs.model.sizes.layers / s.pipeline);
  return {
    all: layer.all * layers + tables,
    layer: layer.all,
    tables,
    experts: layer.experts * layers,
  };
}

/**
 * Under tensor parallelism norms, biases of rows that are summed, routers and positions are on each device.
 */
const isWhole = (name: string, shape: readonly number[]): boolean =>
  name === POSITION_TABLE ||
  name.endsWith(".router.weight") ||
  (shape.length === 1 && !/\.(?:qkv|up|gate)\.bias$/.test(name));
