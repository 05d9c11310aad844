/**
 * Bytes of the fullest device while a model is trained. States are exact; activations are the sum of what the
 * backward reads (costs.ts); the rest follows the published implementations, and is named as what it is.
 */
import type { ModelCosts } from "./costs.ts";
import type { Degrees } from "./degrees.ts";
import { stateSchemes, type Recompute, type StateScheme } from "./tables/choices.ts";
import { paddedVocab } from "./padded-vocab.ts";
import { parameterRows } from "../2-check/parameters.ts";
import { POSITION_TABLE } from "../../runtime/contract/parameter-names.ts";

export interface MemorySettings extends Degrees {
  readonly states: StateScheme;
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
  readonly bytes: number;
}

/** CUDA's context and the collectives' buffers; and by how much an allocator reserves more than is used. */
const CONTEXT_BYTES = 1.5 * 2 ** 30;
const ALLOCATOR = 1.07;
/**
 * Of each logit at the loss. Compiled: bf16 logits, one copy in fp32, bf16 gradients and temporaries
 * (calibrated on torchtitan's rows, where chunks spare 7.5 to 9). As it stands, and with tensor parallelism,
 * whose loss over parts of the vocabulary is not compiled, log-softmax and gradient in fp32 come on top.
 */
const LOGIT_BYTES = { compiled: 9, eager: 18 } as const;
/** FSDP2: two blocks gathered in bf16, one's gradients in bf16, and its reduction in fp32. */
const GATHERED_BYTES = 2 * 2 + 2 + 4;
/**
 * The table's unit stays gathered between forward and backward: bf16 weight, bf16 gradient, fp32 reduction.
 */
const TABLE_BYTES = 2 + 2 + 4;

export function deviceMemory(costs: ModelCosts, s: MemorySettings): DeviceMemory {
  const local = stageParameters(costs, s);
  const { divided, whole } = stateSchemes[s.states];
  const tokens = (s.micro * s.sequence) / s.context;
  const isGathered = divided > 0 && whole === 0 && s.shard > 1;
  const used: MemoryTerm[] = [
    { name: "weights, gradients, moments", bytes: local.all * (divided / s.shard + whole) },
    {
      name: "gathered while they are used",
      bytes: isGathered ? GATHERED_BYTES * local.layer + TABLE_BYTES * local.tables : 0,
    },
    { name: "activations", bytes: activationBytes(costs, s, tokens) },
    {
      name: "logits and their loss",
      bytes: (logitBytes(s) * tokens * paddedVocab(costs.model.sizes.vocab)) / s.tensor / s.lossChunks,
    },
  ];
  const sum = used.reduce((a, { bytes }) => a + bytes, 0);
  const terms = [
    ...used,
    { name: "allocator (7 %)", bytes: (ALLOCATOR - 1) * sum },
    { name: "context and collectives", bytes: CONTEXT_BYTES },
  ];
  return { terms, bytes: terms.reduce((a, { bytes }) => a + bytes, 0) };
}

const logitBytes = ({ tensor }: Degrees): number => LOGIT_BYTES[tensor > 1 ? "eager" : "compiled"];

/** What a layer keeps of one token for the backward. */
export function savedBytes(costs: ModelCosts, recompute: Recompute): number {
  const all = costs.saved.reduce((sum, { bytes }) => sum + bytes, 0);
  if (recompute === "none") return all;
  // "selective": what attention gives, and every second product
  const selective = costs.inputBytes + costs.attendedBytes + costs.productBytes / 2;
  return recompute === "full" ? costs.inputBytes : Math.min(all, selective);
}

/** With tensor parallelism sequences are divided where rows are whole (sequence parallelism). */
function activationBytes(costs: ModelCosts, s: MemorySettings, tokens: number): number {
  const layers = Math.ceil(costs.model.sizes.layers / s.pipeline);
  const each = (recompute: Recompute): number => (savedBytes(costs, recompute) * tokens) / s.tensor;
  const again = s.recompute === "none" ? 0 : each("none") - each(s.recompute);
  return layers * inFlight(s) * each(s.recompute) + again;
}

/** Micro-batches whose activations the first stage keeps: 1F1B, interleaved where stages are cut further. */
function inFlight({ pipeline: p, interleaved: v, accumulation }: MemorySettings): number {
  if (p === 1) return 1;
  return v === 1 ? Math.min(accumulation, p) : 1 + (p - 1) / (p * v);
}

interface StageParameters {
  /** Of the fullest stage on one of its devices; of one layer; of the tables of that stage. */
  readonly all: number;
  readonly layer: number;
  readonly tables: number;
}

/** The fullest stage has as many layers as any, and the token table or the output, or both. */
export function stageParameters(costs: ModelCosts, { tensor, pipeline, expert }: Degrees): StageParameters {
  const rows = parameterRows(costs.model);
  const onDevice = (section: string): number =>
    rows
      .filter((row) => row.section === section)
      .flatMap((row) => row.tensors)
      .reduce((sum, t) => {
        const elements = t.shape.reduce((a, b) => a * b, 1);
        const isExperts = t.shape.length === 3;
        return sum + elements / (isWhole(t.name, t.shape) ? 1 : tensor) / (isExperts ? expert : 1);
      }, 0);
  const layer = onDevice("layer");
  const ends = [onDevice("embed"), onDevice("output") + onDevice("head")];
  const tables = pipeline === 1 ? ends[0]! + ends[1]! : Math.max(...ends);
  return { all: layer * Math.ceil(costs.model.sizes.layers / pipeline) + tables, layer, tables };
}

/**
 * Under tensor parallelism norms, biases of rows that are summed, routers and positions are on each device.
 */
const isWhole = (name: string, shape: readonly number[]): boolean =>
  name === POSITION_TABLE ||
  name.endsWith(".router.weight") ||
  (shape.length === 1 && !/\.(?:qkv|up|gate)\.bias$/.test(name));
