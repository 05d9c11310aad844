/**
 * What the files of the three products have in common: tiles, tasks, scratch, the kernel's body, and the f64
 * reference.
 */
import type { Applied } from "../../../../runtime/contract/profile-site.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";
import { activations, bendOf } from "../../kit/activations.ts";
import { placeInLines } from "../../kit/lines.ts";
import { oneOf, sharedByOps, type DynamicTasks } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import type { Writer } from "../../kit/writer.ts";
import { forwardCases } from "./cases.ts";
import { gemmTileChoices } from "./product-tiles.ts";
import { gemmDynamic, gemmScratch, gemmTasks, planOf } from "./product-plan.ts";
import { emitGemm } from "./tile-loops.ts";
import { emitFewRows, fewRowsScratch, fewRowsTasks, fewRowsDynamic, liveRows } from "./few-rows.ts";
import {
  FEW_ROWS,
  gemmTiles,
  usesFewRows,
  type Epilogue,
  type EpilogueTensor,
  type Form,
  type MatmulKernel,
  type PerTensor,
} from "./cache-blocks.ts";

type Sizes = Record<"M" | "N" | "K", number>;

/**
 * Which loops a kernel has: those of few rows, those of many (register tiles), or both, and the number of
 * live rows decides. A product b[N,K] with dead rows always has dot products, so that no bit depends on that
 * number.
 */
function waysOf(
  form: Form,
  { M }: Sizes,
  k: MatmulKernel,
): { readonly few: boolean; readonly many: boolean } {
  const live = k.has("live");
  const few = usesFewRows(form, M, live) || (form === "nt" && live);
  return { few: few || live, many: !few };
}

export const emitter = (form: Form) =>
  sharedByOps({
    tiles: (d: Sizes, _attrs: unknown, target: Target): Dims => gemmTiles(form, d, target),
    tileChoices: gemmTileChoices,
    tasks: (d: Sizes, k: MatmulKernel): number =>
      waysOf(form, d, k).many ? gemmTasks(planOf(form, d, k)) : fewRowsTasks(d),
    dynamic: (d: Sizes, k: MatmulKernel): DynamicTasks =>
      waysOf(form, d, k).many ? gemmDynamic(planOf(form, d, k)) : fewRowsDynamic(d),
    scratch(d: Sizes, k: MatmulKernel): number {
      const { few, many } = waysOf(form, d, k);
      return Math.max(few ? fewRowsScratch(form, d) : 0, many ? gemmScratch(planOf(form, d, k)) : 0);
    },
    emit(w: Writer, at: PerTensor<string> & { readonly live?: string }, d: Sizes, k: MatmulKernel): void {
      const { few, many } = waysOf(form, d, k);
      const fewRows = (rows: string): void => emitFewRows(w, at, form, d, k, rows);
      const manyRows = (): void => emitGemm(w, at, planOf(form, d, k), k);
      if (!few) return manyRows();
      if (at.live === undefined || !k.has("live")) return fewRows(`${d.M}`);
      w.line(`const rows = ${liveRows(k, at.live, d.M)};`);
      if (!many) return fewRows("rows");
      w.block(`if (rows <= ${FEW_ROWS})`, () => fewRows("rows"));
      w.block("else", manyRows);
    },
  });

export const matmulAttrs = {
  activation: oneOf<Epilogue["activation"]>("none"),
  derivative: oneOf<Epilogue["derivative"]>("none"),
};
export const matmulFlops = ({ M, N, K }: Sizes): number => 2 * M * N * K;

/** The activation of each element, and its slope where the kernel keeps it. */
const activationOf = (
  { M, N }: Sizes,
  { activation }: Epilogue,
  has: (tensor: "bend") => boolean,
): Applied | undefined =>
  activation === "none"
    ? undefined
    : { function: has("bend") ? `${activation}_bend` : activation, numbers: M * N };

/** What the two products of forward layers, a·b and a·bᵀ, have in common. */
export const forwardProduct = (form: Form) =>
  ({
    attrs: matmulAttrs,
    flops: matmulFlops,
    applies: activationOf,
    independent: "M",
    rows: "M",
    inPlace: { out: "add" },
    cases: forwardCases,
    ...emitter(form),
  }) as const;

type Tensors = PerTensor<Float64Array, EpilogueTensor>;

/** Σ_k â(m,k)·b̂(k,n), then the epilogue's equation; f64. */
export const matmulReference = (
  t: Tensors,
  { M, N, K }: Sizes,
  attrs: Epilogue,
  a: (m: number, k: number) => number,
  b: (k: number, n: number) => number,
): void =>
  epilogueReference(t, M, N, attrs, (m, n) => {
    let v = 0;
    for (let k = 0; k < K; k++) v += a(m, k) * b(k, n);
    return v;
  });

/** What becomes of each element [M,N] of a product; f64. */
export function epilogueReference(
  t: Tensors,
  M: number,
  N: number,
  { activation, derivative }: Epilogue,
  product: (m: number, n: number) => number,
): void {
  for (let m = 0; m < M; m++)
    for (let n = 0; n < N; n++) {
      const at = m * N + n;
      let v = product(m, n);
      if (t.bias) v += t.bias[n]!;
      if (activation !== "none") {
        if (t.bend) t.bend[placeInLines(M, m, n)] = bendOf(activations[activation], v);
        v = activations[activation].value(v);
      }
      if (derivative !== "none") v *= t.gate![placeInLines(M, m, n)]! + activations[derivative].slopeAtZero;
      if (t.add) v += t.add[at]!;
      t.out[at] = v;
    }
}
