/**
 * Attention, and the tables that all layers read: rope's turns of this call's positions, and how far each
 * layer sees.
 */
import type { Model, Part, Rope } from "../../runtime/contract/model.ts";
import { layerParts } from "../2-check/parameters.ts";
import type { AttrsOf } from "../ops/index.ts";
import { cacheShapes, ringRows } from "../ops/attention/kit/cache-layout.ts";
import { ceilTo, PANEL } from "../ops/kit/panels.ts";
import {
  activation,
  declare,
  emit,
  initialStd,
  isExtending,
  layersOf,
  parameter,
  place,
  prefillRows,
  type Builder,
} from "./builder.ts";
import { all, each, whole, type Ref } from "./ir.ts";
import { linear, partName, residualStd } from "./linear.ts";

type Attention = Extract<Part, { part: "attention" }>;
const windowsName = (p: Attention): string => `windows_${p.window}`;
const ringsName = (p: Attention): string => `rings_${p.window}`;

/** What all layers read. */
export function layerTables(b: Builder): void {
  if (layersOf(b) === 0) return;
  ropeTables(b);
  layerWindows(b);
}

/**
 * One table of this call's positions for each kind of rope in the layer (usually one): all layers read it.
 */
function ropeTables(b: Builder): void {
  for (const p of layerParts(b.model)) {
    if (p.part !== "attention" || !p.rope || b.values.has(ropeTableName(p.rope, p.headDim))) continue;
    const table = declare(
      b,
      ropeTableName(p.rope, p.headDim),
      ["context" in b.job ? b.job.context : b.rows, 2 * p.headDim],
      "activation",
    );
    emit(b, "rope_table", { place: isExtending(b) ? place(b) : undefined }, { table }, ropeAttrsOf(p.rope));
  }
}

/** Where layers alternate: how far each one's attention sees, for each width of band. */
function layerWindows(b: Builder): void {
  for (const p of layerParts(b.model)) {
    if (p.part !== "attention" || windowKind(b, p) !== "by layer" || b.values.has(windowsName(p))) continue;
    const rows = cacheRows(b.model, p, b.stretch.from);
    if (isExtending(b) && rows.length > 1) {
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
          .pattern!.map((_, i) => (kindOf(b.model, b.stretch.from + i) === "banded" ? p.window : 0))
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
 * Rows that each layer's cache has; one number: all of them. A band's is a ring where that is less than the
 * context: ops/attention/kit/cache-layout.ts.
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

/** Bands whose cache is a ring: how far back they see, and the rows that are kept. */
export const cacheBands = (model: Model): readonly { readonly window: number; readonly rows: number }[] =>
  layerParts(model).flatMap((p) => {
    if (p.part !== "attention" || p.window === undefined) return [];
    const rows = Math.min(...cacheRows(model, p));
    return rows < model.sizes.context ? [{ window: p.window, rows }] : [];
  });

/** Of the stretch's layers, how many see everything: for the count of FLOPs. */
function denseShare(b: Builder): number {
  const layers = layersOf(b);
  return (
    Array.from({ length: layers }, (_, i) => kindOf(b.model, b.stretch.from + i)).filter(
      (kind) => kind === "dense",
    ).length / layers
  );
}

/** Where layers alternate. */
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
  const kv = p.kvHeads * p.headDim;
  const name = partName(b, p);
  const straight = linear(b, `${name}.qkv`, x, rows, p.width, inner + 2 * kv, p.bias, initialStd(b));
  const normed = p.qkNorm ? headNorm(b, p, p.qkNorm.eps, straight) : straight;
  const qkv = p.rope ? turned(b, p, p.rope, normed) : normed;
  const mixed = activation(b, `${name}.mixed`, [rows, inner]);
  const kind = windowKind(b, p);
  const window = kind === "by layer" ? each(windowsName(p)) : undefined;
  const band = kind === "none" ? {} : { window: p.window!, ...(window && { dense_share: denseShare(b) }) };
  const sizes = { heads: p.heads, kv_heads: p.kvHeads, head_dim: p.headDim, ...band };
  if (isExtending(b)) {
    const { context } = b.model.sizes;
    const kept = cacheRows(b.model, p, b.stretch.from);
    const most = Math.max(...kept);
    const uneven = kept.length > 1;
    const shapes = kept.map((n) => cacheShapes(n, p.kvHeads, p.headDim));
    const largest = shapes[kept.indexOf(most)]!;
    const [keys, values] = (["keys", "values"] as const).map((kind) =>
      declare(
        b,
        `${name}.${kind}`,
        largest[kind],
        "cache",
        uneven ? { sliceShapes: shapes.map((s) => s[kind]) } : {},
      ),
    ) as [Ref, Ref];
    const ring = uneven ? each(ringsName(p)) : undefined;
    emit(
      b,
      "attention_cached",
      { qkv, keys, values, place: place(b), window, ring },
      { out: mixed, keys_out: keys, values_out: values },
      { ...sizes, ...((uneven || most < context) && { context }) },
    );
  } else {
    const context = (b.job as { context: number }).context;
    const lse = activation(b, `${name}.lse`, [p.heads, rows]);
    emit(b, "attention", { qkv, window }, { out: mixed, lse }, { ...sizes, context, causal: p.causal });
  }
  return linear(
    b,
    `${name}.out`,
    mixed,
    rows,
    inner,
    p.width,
    p.outBias ?? p.bias,
    residualStd(b),
    `${name}.projected`,
  );
}

/** q and k of all heads, normalised; v as it was. */
function headNorm(b: Builder, p: Attention, eps: number, x: Ref): Ref {
  const name = partName(b, p);
  const shape = b.values.get(x.value)!.shape;
  const out = activation(b, `${name}.normed`, shape);
  const rstd = activation(b, `${name}.rstd`, [shape[0]!, p.heads + p.kvHeads]);
  const [wq, wk] = ["q_norm", "k_norm"].map((which) =>
    parameter(b, `${name}.${which}.weight`, [p.headDim], { kind: "constant", value: 1 }),
  );
  emit(b, "head_norm", { x, wq, wk }, { out, rstd }, { heads: p.heads, eps });
  return out;
}

/** q and k of all heads, turned by their positions; v as it was. */
function turned(b: Builder, p: Attention, rope: Rope, x: Ref): Ref {
  const out = activation(b, `${partName(b, p)}.turned`, b.values.get(x.value)!.shape);
  emit(
    b,
    "rope",
    { x, table: whole(ropeTableName(rope, p.headDim)) },
    { out },
    { heads: p.heads + p.kvHeads, head_dim: p.headDim, inverse: false },
  );
  return out;
}
