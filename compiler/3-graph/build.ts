/**
 * Checked model → graph of one entry, forward only, one node per mathematical step; nothing is fused yet.
 *
 *   train, evaluate   tokens, targets [B·T] → per-token losses, their sum
 *   prefill, decode   tokens [chunk] at position `place` → logits [1, V] of the last real row; keys and values go to the cache
 *
 * Of a model that several memories hold, a graph is one stretch: rows [R, width] come in as `x_in` where it does not begin with the embedding,
 * and leave as `x_out` where it does not end with the output (cut.ts).
 */
import type { Assignment, Expression, Model, Part, Rope } from "../2-check/model.ts";
import { layerParts } from "../2-check/parameters.ts";
import { HYPER_FLOATS } from "../control.ts";
import type { Attrs, Op } from "../op.ts";
import { cacheShapes } from "../ops/attention_cached.ts";
import { ops, type OpName } from "../ops/index.ts";
import { all, each, whole, type Carry, type Graph, type Init, type Node, type Ref, type Section, type Storage, type Value } from "./ir.ts";
import { wholeModel, type Stretch } from "./stretch.ts";

export type Job =
  | { readonly entry: "train" | "evaluate"; readonly batch: number; readonly context: number }
  | { readonly entry: "prefill" | "decode"; readonly rows: number };

/**
 * GPT-2's initialisation (Radford et al. 2019): N(0, 0.02) at its width of 768 and above, residual projections divided by
 * √(residual blocks in the model). Narrower models get 0.02 · √(768 / width), the same scale per sum of `width` terms: at width 128
 * that is worth 0.15 of loss after 2000 steps (bench/EXPERIMENTS.md).
 */
const STD = 0.02, STD_WIDTH = 768;
const initialStd = (b: Builder): number => STD * Math.sqrt(Math.max(1, STD_WIDTH / b.model.sizes.width));

interface Builder {
  readonly model: Model;
  readonly job: Job;
  readonly stretch: Stretch;
  readonly rows: number;
  readonly values: Map<string, Value>;
  nodes: Node[];
  /** Layers of the section that is being built; 0 outside of the layer. */
  layered: boolean;
}

/** `entry`: the graph's name, where a module has several stretches with the same job. */
export function buildGraph(model: Model, job: Job, stretch: Stretch = wholeModel(model), entry: string = job.entry): Graph {
  const rows = "rows" in job ? job.rows : job.batch * job.context;
  const b: Builder = { model, job, stretch, rows, values: new Map(), nodes: [], layered: false };
  const sections = [
    stretch.embed ? embedSection(b) : enterSection(b),
    ...(layersOf(b) > 0 ? [layerSection(b)] : []),
    stretch.output ? outputSection(b) : leaveSection(b),
  ].filter((s) => s.nodes.length > 0);
  return { entry, values: b.values, sections };
}

/** Layers of this stretch. */
const layersOf = ({ stretch }: Builder): number => stretch.to - stretch.from;

const isTraining = (b: Builder): boolean => b.job.entry === "train";
const isExtending = (b: Builder): boolean => b.job.entry === "prefill" || b.job.entry === "decode";

function declare(b: Builder, name: string, shape: readonly number[], storage: Storage, more: Partial<Value> = {}): Ref {
  const layered = b.layered && (storage === "parameter" || storage === "cache");
  const slices = layered ? layersOf(b) : 1;
  b.values.set(name, { name, shape, dtype: "f32", storage, slices, ...(layered && { layered }), ...more });
  return layered ? each(name) : whole(name);
}

/** A new activation; a second one of the same name gets a number. */
function activation(b: Builder, stem: string, shape: readonly number[]): Ref {
  let name = stem;
  for (let n = 2; b.values.has(name); n++) name = `${stem}_${n}`;
  return declare(b, name, shape, "activation");
}

function input(b: Builder, name: string, shape: readonly number[], dtype: "i32" | "f32"): Ref {
  if (!b.values.has(name)) declare(b, name, shape, "input", { dtype });
  return whole(name);
}

function parameter(b: Builder, name: string, shape: readonly number[], init: Init): Ref {
  return declare(b, `${b.layered ? "layers." : ""}${name}`, shape, "parameter", { init, decay: shape.length >= 2 });
}

function emit(b: Builder, op: OpName, ins: Record<string, Ref | undefined>, outs: Record<string, Ref | undefined>, attrs: Attrs = {}): void {
  const present = (refs: Record<string, Ref | undefined>) => Object.fromEntries(Object.entries(refs).filter(([, r]) => r !== undefined)) as Record<string, Ref>;
  const { accumulates }: Op = ops[op];
  b.nodes.push({ op, ins: present(ins), outs: present(outs), attrs, ...(accumulates?.length && { accumulate: "flag" as const }) });
}

function section(b: Builder, name: string, times: number, carries: readonly Carry[] = []): Section {
  const nodes = b.nodes;
  b.nodes = [];
  return { name, times, order: "up", carries, nodes };
}

const place = (b: Builder): Ref => input(b, "place", [2], "i32"); // [start, rows]: lives in the control block

function embedSection(b: Builder): Section {
  const { context, width } = b.model.sizes;
  const tokens = input(b, "tokens", [b.rows], "i32"), table = tokenTable(b);
  const positions = b.model.embed.position ? parameter(b, "position_embedding.weight", [context, width], { kind: "normal", std: initialStd(b) }) : undefined;
  const x = activation(b, "x", [b.rows, width]);
  const length = "context" in b.job ? b.job.context : b.rows;
  layerTables(b);
  emit(b, "embed", { tokens, table, positions, place: isExtending(b) ? place(b) : undefined }, { out: x }, { context: length });
  return section(b, "embed", 1);
}

/** Where the output is tied, embedding and output of one memory share it. */
function tokenTable(b: Builder): Ref {
  const { vocab, width } = b.model.sizes, name = "token_embedding.weight";
  return b.values.has(name) ? whole(name) : parameter(b, name, [vocab, width], { kind: "normal", std: initialStd(b) });
}

/** Rows of the stretch before: a copy, because the layers' x is overwritten from layer to layer. Without layers they are read where they are. */
function enterSection(b: Builder): Section {
  const shape = [b.rows, b.model.sizes.width], x = input(b, "x_in", shape, "f32");
  layerTables(b);
  if (layersOf(b) > 0) emit(b, "copy", { x }, { out: activation(b, "x", shape) });
  return section(b, "enter", 1);
}

function leaveSection(b: Builder): Section {
  emit(b, "copy", { x: rowsOut(b) }, { out: declare(b, "x_out", [b.rows, b.model.sizes.width], "output") });
  return section(b, "leave", 1);
}

/** The stretch's rows, after its last layer. */
const rowsOut = (b: Builder): Ref => whole(b.stretch.embed || layersOf(b) > 0 ? "x" : "x_in");

/** What all layers read. */
function layerTables(b: Builder): void {
  if (layersOf(b) === 0) return;
  ropeTables(b);
  layerWindows(b);
}

/** One table of this call's positions for each kind of rope in the layer (usually one): all layers read it. */
function ropeTables(b: Builder): void {
  for (const p of layerParts(b.model)) {
    if (p.part !== "attention" || !p.rope || b.values.has(ropeTableName(p.rope, p.headDim))) continue;
    const table = declare(b, ropeTableName(p.rope, p.headDim), ["context" in b.job ? b.job.context : b.rows, 2 * p.headDim], "activation");
    emit(b, "rope_table", { place: isExtending(b) ? place(b) : undefined }, { table }, { theta: p.rope.theta, ...p.rope.scaling });
  }
}

/** Where layers alternate: how far each one's attention sees, for each width of band. */
function layerWindows(b: Builder): void {
  for (const p of layerParts(b.model)) {
    if (p.part !== "attention" || windowKind(b, p) !== "by layer" || b.values.has(windowsName(p))) continue;
    const { pattern } = b.model, round = pattern!.map((_, i) => pattern![(b.stretch.from + i) % pattern!.length]); // as the stretch's first layer sees it
    declare(b, windowsName(p), [1, 1], "activation", { dtype: "i32", slices: layersOf(b) });
    emit(b, "windows", {}, { windows: all(windowsName(p)) }, { pattern: round.map((kind) => (kind === "banded" ? p.window : 0)).join("_") });
  }
}

type Attention = Extract<Part, { part: "attention" }>;
const windowsName = (p: Attention): string => `windows_${p.window}`;

function windowKind(b: Builder, { window }: Attention): "none" | "all layers" | "by layer" {
  const kinds = new Set(b.model.pattern ?? ["banded"]);
  return window === undefined || !kinds.has("banded") ? "none" : kinds.size === 1 ? "all layers" : "by layer";
}

/** Of the stretch's layers, how many see everything: for the count of FLOPs. */
function denseShare(b: Builder): number {
  const { pattern } = b.model, { from } = b.stretch, layers = layersOf(b);
  return Array.from({ length: layers }, (_, i) => pattern![(from + i) % pattern!.length]).filter((kind) => kind === "dense").length / layers;
}

const ropeTableName = ({ theta, scaling }: Rope, headDim: number): string =>
  ["rope", headDim, theta, ...(scaling ? [scaling.factor, scaling.low, scaling.high, scaling.original] : [])].join("_");

function layerSection(b: Builder): Section {
  b.layered = true;
  const last = equations(b, b.model.layer);
  b.layered = false;
  if (last.value === "x") throw new Error("a layer that does not change x: the checker refuses it");
  return section(b, "layer", layersOf(b), [{ from: "x", to: last.value }]);
}

function equations(b: Builder, assignments: readonly Assignment[]): Ref {
  const scope = new Map([["x", whole("x")]]);
  for (const { name, value } of assignments) scope.set(name, expression(b, value, scope));
  return scope.get("x")!;
}

function outputSection(b: Builder): Section {
  const { vocab, width } = b.model.sizes;
  let x = rowsOut(b);
  if (isExtending(b)) {
    const row = activation(b, "last_row", [1, width]);
    emit(b, "take_row", { x, place: place(b) }, { out: row });
    x = row;
  }
  const logits = expression(b, b.model.output, new Map([["x", x]]));
  if (isExtending(b)) {
    b.values.set(logits.value, { ...b.values.get(logits.value)!, storage: "output" });
    return section(b, "output", 1);
  }
  const targets = input(b, "targets", [b.rows], "i32");
  if (isTraining(b)) input(b, "hyper", [HYPER_FLOATS], "f32");
  if (b.values.get(logits.value)!.shape[1] !== vocab) throw new Error("the output is not [rows, vocab]: the checker refuses it");
  const losses = declare(b, "token_losses", [b.rows], "output");
  emit(b, "cross_entropy", { logits, targets }, { losses });
  emit(b, "loss_sum", { losses, targets }, { loss: declare(b, "loss", [2], "output") });
  return section(b, "output", 1);
}

function expression(b: Builder, e: Expression, scope: ReadonlyMap<string, Ref>): Ref {
  switch (e.kind) {
    case "value": return scope.get(e.name)!;
    case "add": {
      const left = expression(b, e.left, scope), right = expression(b, e.right, scope);
      const out = activation(b, "sum", b.values.get(left.value)!.shape);
      emit(b, "add", { a: left, b: right }, { out });
      return out;
    }
    case "apply": return part(b, e.part, expression(b, e.input, scope));
  }
}

function part(b: Builder, p: Part, x: Ref): Ref {
  const rows = b.values.get(x.value)!.shape[0]!;
  switch (p.part) {
    case "layernorm":
    case "rmsnorm": return norm(b, p, x, rows);
    case "attention": return attention(b, p, x, rows);
    case "mlp": {
      const up = linear(b, partName(b, p, "up"), x, rows, p.width, p.hidden, p.bias, initialStd(b));
      const bent = activation(b, `${p.name}.bent`, [rows, p.hidden]);
      emit(b, "activate", { x: up }, { out: bent }, { activation: p.activation });
      return linear(b, partName(b, p, "down"), bent, rows, p.hidden, p.width, p.bias, residualStd(b));
    }
    case "swiglu":
    case "geglu": {
      const map = (inner: string): Ref => linear(b, partName(b, p, inner), x, rows, p.width, p.hidden, p.bias, initialStd(b));
      const gate = map("gate"), up = map("up"), bent = activation(b, `${p.name}.bent`, [rows, p.hidden]);
      emit(b, "gated", { gate, up }, { out: bent }, { activation: p.activation });
      return linear(b, partName(b, p, "down"), bent, rows, p.hidden, p.width, p.bias, residualStd(b));
    }
    case "experts": return experts(b, p, x, rows);
    case "linear":
      return p.tied ? tiedLinear(b, p, x, rows) : linear(b, partName(b, p), x, rows, p.width, p.out, p.bias, initialStd(b), outputName(b, p));
  }
}

/** Stem of a part's parameters: "attention.qkv" in the layer (there "layers." comes before it), "output.linear" at the end. */
const partName = (b: Builder, p: Part, inner?: string): string => [...(b.layered ? [] : ["output"]), p.name, ...(inner ? [inner] : [])].join(".");
const outputName = (b: Builder, p: { readonly out: number }): string | undefined => (!b.layered && p.out === b.model.sizes.vocab ? "logits" : undefined);

const residualParts: readonly Part["part"][] = ["attention", "mlp", "swiglu", "geglu", "experts"];

/** initialStd / √(layers · blocks that add to the residual stream in one layer). GPT-2 has two a layer. */
function residualStd(b: Builder): number {
  const count = (e: Expression): number =>
    e.kind === "value" ? 0 : e.kind === "add" ? count(e.left) + count(e.right) : (residualParts.includes(e.part.part) ? 1 : 0) + count(e.input);
  const blocks = b.model.layer.reduce((sum, a) => sum + count(a.value), 0);
  return initialStd(b) / Math.sqrt(Math.max(1, blocks * b.model.sizes.layers));
}

function linear(b: Builder, name: string, x: Ref, rows: number, K: number, N: number, bias: boolean, std: number, outName = `${name}.out`): Ref {
  const w = parameter(b, `${name}.weight`, [K, N], { kind: "normal", std });
  return withBias(b, name, bias, N, rows, outName, (out) => emit(b, "matmul", { a: x, b: w }, { out }));
}

/** logits = x · tableᵀ (+ bias): the token embedding is the output's weight (Press & Wolf 2017). */
function tiedLinear(b: Builder, p: Extract<Part, { part: "linear" }>, x: Ref, rows: number): Ref {
  return withBias(b, partName(b, p), p.bias, p.out, rows, "logits", (out) => emit(b, "matmul_nt", { a: x, b: tokenTable(b) }, { out }));
}

function withBias(b: Builder, name: string, bias: boolean, N: number, rows: number, outName: string, product: (out: Ref) => void): Ref {
  if (!bias) {
    const out = activation(b, outName, [rows, N]);
    product(out);
    return out;
  }
  const unbiased = activation(b, `${outName}.unbiased`, [rows, N]);
  product(unbiased);
  const out = activation(b, outName, [rows, N]);
  emit(b, "bias", { x: unbiased, bias: parameter(b, `${name}.bias`, [N], { kind: "constant", value: 0 }) }, { out });
  return out;
}

function norm(b: Builder, p: Extract<Part, { part: "layernorm" | "rmsnorm" }>, x: Ref, rows: number): Ref {
  const name = partName(b, p);
  const w = p.weight ? parameter(b, `${name}.weight`, [p.width], { kind: "constant", value: 1 }) : undefined;
  const bias = p.bias ? parameter(b, `${name}.bias`, [p.width], { kind: "constant", value: 0 }) : undefined;
  const out = activation(b, `${name}.out`, [rows, p.width]);
  const rstd = isTraining(b) ? activation(b, `${name}.rstd`, [rows]) : undefined;
  const mean = isTraining(b) && p.part === "layernorm" ? activation(b, `${name}.mean`, [rows]) : undefined;
  emit(b, p.part, { x, w, b: bias }, { out, mean, rstd }, { eps: p.eps });
  return out;
}

function attention(b: Builder, p: Attention, x: Ref, rows: number): Ref {
  const inner = p.heads * p.headDim, kv = p.kvHeads * p.headDim, name = partName(b, p);
  const straight = linear(b, `${name}.qkv`, x, rows, p.width, inner + 2 * kv, p.bias, initialStd(b)), normed = p.qkNorm ? headNorm(b, p, p.qkNorm.eps, straight) : straight;
  const qkv = p.rope ? turned(b, p, p.rope, normed) : normed;
  const mixed = activation(b, `${name}.mixed`, [rows, inner]);
  const kind = windowKind(b, p), window = kind === "by layer" ? each(windowsName(p)) : undefined;
  const band = kind === "none" ? {} : { window: p.window!, ...(window && { dense_share: denseShare(b) }) };
  const sizes = { heads: p.heads, kv_heads: p.kvHeads, head_dim: p.headDim, ...band };
  if (isExtending(b)) {
    const cache = cacheShapes(b.model.sizes.context, p.kvHeads, p.headDim);
    const keys = declare(b, `${name}.keys`, cache.keys, "cache"), values = declare(b, `${name}.values`, cache.values, "cache");
    emit(b, "attention_cached", { qkv, keys, values, place: place(b), window }, { out: mixed, keys_out: keys, values_out: values }, sizes);
  } else {
    const context = (b.job as { context: number }).context;
    const lse = isTraining(b) ? activation(b, `${name}.lse`, [p.heads, rows]) : undefined;
    emit(b, "attention", { qkv, window }, { out: mixed, lse }, { ...sizes, context, causal: p.causal });
  }
  return linear(b, `${name}.out`, mixed, rows, inner, p.width, p.outBias ?? p.bias, residualStd(b), `${name}.projected`);
}

/** q and k of all heads, normalised; v as it was. */
function headNorm(b: Builder, p: Attention, eps: number, x: Ref): Ref {
  const name = partName(b, p), shape = b.values.get(x.value)!.shape, out = activation(b, `${name}.normed`, shape), rstd = activation(b, `${name}.rstd`, [shape[0]!, p.heads + p.kvHeads]);
  const [wq, wk] = ["q_norm", "k_norm"].map((which) => parameter(b, `${name}.${which}.weight`, [p.headDim], { kind: "constant", value: 1 }));
  emit(b, "head_norm", { x, wq, wk }, { out, rstd }, { heads: p.heads, eps });
  return out;
}

/** q and k of all heads, turned by their positions; v as it was. */
function turned(b: Builder, p: Attention, rope: Rope, x: Ref): Ref {
  const out = activation(b, `${partName(b, p)}.turned`, b.values.get(x.value)!.shape);
  emit(b, "rope", { x, table: whole(ropeTableName(rope, p.headDim)) }, { out }, { heads: p.heads + p.kvHeads, head_dim: p.headDim, inverse: false });
  return out;
}

/** A mixture of experts: rows are sorted by expert, so that every expert's product is one of neighbouring rows. */
function experts(b: Builder, p: Extract<Part, { part: "experts" }>, x: Ref, rows: number): Ref {
  const name = partName(b, p), S = rows * p.top, E = p.count;
  const indices = (stem: string, shape: readonly number[]): Ref => declare(b, `${name}.${stem}`, shape, "activation", { dtype: "i32" });
  const logits = linear(b, `${name}.router`, x, rows, p.width, E, false, initialStd(b));
  const weights = activation(b, `${name}.weights`, [rows, p.top]), choice = indices("choice", [rows, p.top]);
  const slots = indices("slots", [rows, p.top]), sources = indices("sources", [S]), starts = indices("starts", [E + 1]);
  emit(b, "route", { logits }, { weights, choice }, { renormalise: p.renormalise });
  emit(b, "dispatch", { choice }, { slots, sources, starts });
  if (isTraining(b) && p.balance > 0) {
    const layers = b.layered ? layersOf(b) : 1, loss = `${name}.balance`;
    declare(b, loss, [1], "output", { slices: layers });
    emit(b, "balance", { logits, starts }, { loss: layers > 1 ? each(loss) : whole(loss) }, { factor: p.balance });
  }
  const grouped = (inner: string, a: Ref, K: number, N: number, std: number): Ref => {
    const out = activation(b, `${name}.${inner}.out`, [S, N]), weight = parameter(b, `${name}.${inner}.weight`, [E, K, N], { kind: "normal", std });
    emit(b, "grouped_matmul", { a, b: weight, starts }, { out });
    return out;
  };
  const sorted = activation(b, `${name}.sorted`, [S, p.width]), bent = activation(b, `${name}.bent`, [S, p.hidden]), out = activation(b, `${name}.out`, [rows, p.width]);
  emit(b, "to_slots", { x, sources, slots }, { out: sorted });
  const gate = p.gated ? grouped("gate", sorted, p.width, p.hidden, initialStd(b)) : undefined, up = grouped("up", sorted, p.width, p.hidden, initialStd(b));
  if (gate) emit(b, "gated", { gate, up }, { out: bent }, { activation: p.activation });
  else emit(b, "activate", { x: up }, { out: bent }, { activation: p.activation });
  emit(b, "from_slots", { y: grouped("down", bent, p.hidden, p.width, residualStd(b)), weights, slots, sources }, { out });
  return out;
}
