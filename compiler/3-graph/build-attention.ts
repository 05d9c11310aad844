/**
 * Attention as nodes, and the tables that all layers read: the rotations of this call's positions (rope), and
 * how far each layer sees.
 */
import type { Model, Part, Rope } from "../../runtime/contract/model.ts";
import { layerParts } from "../2-check/parameters.ts";
import type { AttrsOf } from "../ops/index.ts";
import { cacheShapes, ringRows } from "../ops/attention/kit/cache-layout.ts";
import { ceilTo, PANEL } from "../ops/kit/panels.ts";
import {
  activation,
  declare,
  documentsOf,
  emit,
  initialStd,
  isIncremental,
  lanesOf,
  layersOf,
  parameter,
  positionsOf,
  prefillRows,
  spansOf,
  type Builder,
} from "./builder.ts";
import { all, each, whole, type Ref } from "./ir.ts";
import { linear, partName, residualStd } from "./linear.ts";

type Attention = Extract<Part, { part: "attention" }>;
const windowsName = (p: Attention): string => `windows_${p.window}`;
const ringsName = (p: Attention): string => `rings_${p.window}`;

/** Emits the tables that all layers read. */
export function layerTables(b: Builder): void {
  if (layersOf(b) === 0) return;
  ropeTables(b);
  layerWindows(b);
}

/** One table of this call's positions for each kind of rope in the layer; usually there is one kind. */
function ropeTables(b: Builder): void {
  for (const p of layerParts(b.model)) {
    if (p.part !== "attention" || !p.rope || b.values.has(ropeTableName(p.rope, p.headDim))) continue;
    const positions = positionsOf(b);
    // sequences of a batch have the same positions, unless each row says its own
    const rows = "context" in b.job && !positions ? b.job.context : b.rows;
    const table = declare(b, ropeTableName(p.rope, p.headDim), [rows, 2 * p.headDim], "activation");
    emit(b, "rope_table", { positions }, { table }, ropeAttrsOf(p.rope));
  }
}

/**
 * Where layers alternate, a number per layer says how many positions its attention sees (0: all of them), for
 * each window that the layer's equations name; a second one says how many rows its cache has.
 */
function layerWindows(b: Builder): void {
  for (const p of layerParts(b.model)) {
    if (p.part !== "attention" || windowKind(b, p) !== "by layer" || b.values.has(windowsName(p))) continue;
    const rows = cacheRows(b.model, p, b.segment.from);
    if (isIncremental(b) && rows.length > 1) {
      declare(b, ringsName(p), [1, 1], "activation", { dtype: "i32", slices: layersOf(b) });
      emit(b, "windows", {}, { windows: all(ringsName(p)) }, { pattern: rows.join("_") });
    }
    declare(b, windowsName(p), [1, 1], "activation", { dtype: "i32", slices: layersOf(b) });
    emit(
      b,
      "windows",
      {},
      { windows: all(windowsName(p)) },
      {
        pattern: b.model
          .pattern!.map((_, i) => (kindOf(b.model, b.segment.from + i) === "banded" ? p.window : 0))
          .join("_"),
      },
    );
  }
}

function windowKind(b: Builder, { window }: Attention): "none" | "all layers" | "by layer" {
  const kinds = new Set(b.model.pattern ?? ["banded"]);
  return window === undefined || !kinds.has("banded") ? "none" : kinds.size === 1 ? "all layers" : "by layer";
}

/**
 * How many rows each layer's cache has; a single number holds for all layers. A layer with a window keeps a
 * ring of rows where that is less than the context: ops/attention/kit/cache-layout.ts.
 */
function cacheRows(model: Model, { window }: Pick<Attention, "window">, from = 0): readonly number[] {
  const { context } = model.sizes;
  const { pattern } = model;
  const dense = ceilTo(context, PANEL);
  const ring = window === undefined ? context : ringRows(window, prefillRows(model), context);
  if (ring >= context) return [context];
  const kinds = new Set(pattern ?? ["banded"]);
  if (kinds.size === 1) return [kinds.has("banded") ? ring : context];
  return pattern!.map((_, i) => (kindOf(model, from + i) === "banded" ? ring : dense));
}

/** The windows whose cache is a ring: how many positions they see, and how many rows are kept. */
export const cacheBands = (model: Model): readonly { readonly window: number; readonly rows: number }[] =>
  layerParts(model).flatMap((p) => {
    if (p.part !== "attention" || p.window === undefined) return [];
    const rows = Math.min(...cacheRows(model, p));
    return rows < model.sizes.context ? [{ window: p.window, rows }] : [];
  });

/** The share of the segment's layers that see everything; FLOPs are counted with it. */
function denseShare(b: Builder): number {
  const layers = layersOf(b);
  return (
    Array.from({ length: layers }, (_, i) => kindOf(b.model, b.segment.from + i)).filter(
      (kind) => kind === "dense",
    ).length / layers
  );
}

/** What a layer is where layers alternate; `layer` counts in the whole model. */
const kindOf = ({ pattern }: Model, layer: number) => pattern![layer % pattern!.length]!;

const ropeTableName = ({ theta, linear: divisor, scaling }: Rope, headDim: number): string => {
  const llama3 = scaling ? [scaling.factor, scaling.low, scaling.high, scaling.original] : [];
  return ["rope", headDim, theta, ...(divisor === undefined ? [] : ["linear", divisor]), ...llama3].join("_");
};

const ropeAttrsOf = ({ theta, linear: divisor, scaling }: Rope): Partial<AttrsOf<"rope_table">> => ({
  theta,
  ...(divisor === undefined ? {} : { linear: divisor }),
  ...scaling,
});

export function attention(b: Builder, p: Attention, x: Ref, rows: number): Ref {
  const inner = p.heads * p.headDim;
  const name = partName(b, p);
  const qkv = queriesKeysValues(b, p, x, rows);
  const attended = activation(b, `${name}.attended`, [rows, inner]);
  const kind = windowKind(b, p);
  const window = kind === "by layer" ? each(windowsName(p)) : undefined;
  const seen = kind === "none" ? {} : { window: p.window!, ...(window && { dense_share: denseShare(b) }) };
  const sizes = { heads: p.heads, kv_heads: p.kvHeads, head_dim: p.headDim, ...seen };
  if (isIncremental(b)) {
    const { keys, values, ring, context } = declareCache(b, p);
    const { spans, spanCount: span_count } = spansOf(b);
    const ins = { qkv, keys, values, spans, span_count, window, ring };
    const outs = { out: attended, keys_out: keys, values_out: values };
    emit(b, "attention_cached", ins, outs, { ...sizes, ...(context !== undefined && { context }) });
  } else {
    const { context } = b.job as { context: number };
    const lse = activation(b, `${name}.lse`, [p.heads, rows]);
    const ins = { qkv, window, documents: documentsOf(b) };
    emit(b, "attention", ins, { out: attended, lse }, { ...sizes, context, causal: p.causal });
  }
  const bias = p.outBias ?? p.bias;
  return linear(b, `${name}.out`, attended, rows, inner, p.width, bias, residualStd(b), `${name}.projected`);
}

/** [rows, (heads + 2 kv_heads) · head_dim]: projected, then normalised and rotated where the spec says so. */
function queriesKeysValues(b: Builder, p: Attention, x: Ref, rows: number): Ref {
  const columns = (p.heads + 2 * p.kvHeads) * p.headDim;
  const projected = linear(b, `${partName(b, p)}.qkv`, x, rows, p.width, columns, p.bias, initialStd(b));
  const normalised = p.qkNorm ? qkNorm(b, p, p.qkNorm.eps, projected) : projected;
  return p.rope ? rotated(b, p, p.rope, normalised) : normalised;
}

interface Cache {
  readonly keys: Ref;
  readonly values: Ref;
  /** A number per layer: how many rows its cache has. Absent where all have the same. */
  readonly ring: Ref | undefined;
  /** The model's context, where a cache has other rows than that. */
  readonly context: number | undefined;
}

function declareCache(b: Builder, p: Attention): Cache {
  const rows = cacheRows(b.model, p, b.segment.from);
  const most = Math.max(...rows);
  const differ = rows.length > 1;
  const shapes = rows.map((n) => cacheShapes(lanesOf(b), n, p.kvHeads, p.headDim));
  const largest = shapes[rows.indexOf(most)]!;
  const declared = (kind: "keys" | "values"): Ref => {
    const sliceShapes = differ ? { sliceShapes: shapes.map((s) => s[kind]) } : {};
    return declare(b, `${partName(b, p)}.${kind}`, largest[kind], "cache", sliceShapes);
  };
  const { context } = b.model.sizes;
  return {
    keys: declared("keys"),
    values: declared("values"),
    ring: differ ? each(ringsName(p)) : undefined,
    context: differ || most < context ? context : undefined,
  };
}

/** Normalises the queries and keys of all heads; the values stay as they are. */
function qkNorm(b: Builder, p: Attention, eps: number, x: Ref): Ref {
  const name = partName(b, p);
  const shape = b.values.get(x.value)!.shape;
  const out = activation(b, `${name}.qk_norm`, shape);
  const rstd = activation(b, `${name}.rstd`, [shape[0]!, p.heads + p.kvHeads]);
  const [wq, wk] = ["q_norm", "k_norm"].map((which) =>
    parameter(b, `${name}.${which}.weight`, [p.headDim], { kind: "constant", value: 1 }),
  );
  emit(b, "qk_norm", { x, wq, wk }, { out, rstd }, { heads: p.heads, eps });
  return out;
}

/** Rotates the queries and keys of all heads by their positions; the values stay as they are. */
function rotated(b: Builder, p: Attention, rope: Rope, x: Ref): Ref {
  const out = activation(b, `${partName(b, p)}.rotated`, b.values.get(x.value)!.shape);
  emit(
    b,
    "rope",
    { x, table: whole(ropeTableName(rope, p.headDim)) },
    { out },
    { heads: p.heads + p.kvHeads, head_dim: p.headDim, inverse: false },
  );
  return out;
}
