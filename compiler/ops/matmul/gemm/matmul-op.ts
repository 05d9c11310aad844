/**
 * What the files of the three products have in common: tiles, tasks, scratch, the kernel's body, and the f64
 * reference.
 */
import type { Target } from "../../../../runtime/contract/targets.ts";
import { activations } from "../../kit/activations.ts";
import { oneOf, type DynamicTasks } from "../../kit/op.ts";
import type { Dims } from "../../kit/signature.ts";
import type { Writer } from "../../kit/writer.ts";
import { gemmTileChoices } from "./product-tiles.ts";
import { gemmDynamic, gemmScratch, gemmTasks, planOf } from "./product-plan.ts";
import { emitGemm } from "./tile-loops.ts";
import { emitFewRows, fewRowsScratch, fewRowsTasks, fewRowsDynamic } from "./few-rows.ts";
import {
  gemmTiles,
  usesFewRows,
  type Epilogue,
  type Form,
  type MatmulKernel,
  type MatmulTensor,
} from "./cache-blocks.ts";

type Sizes = Record<"M" | "N" | "K", number>;

export const emitter = (form: Form) => ({
  tiles: (d: Sizes, _attrs: unknown, target: Target): Dims => gemmTiles(form, d, target),
  tileChoices: gemmTileChoices,
  tasks: (d: Sizes, k: MatmulKernel): number =>
    usesFewRows(form, d.M) ? fewRowsTasks(d) : gemmTasks(planOf(form, d, k)),
  dynamic: (d: Sizes, k: MatmulKernel): DynamicTasks =>
    usesFewRows(form, d.M) ? fewRowsDynamic(d) : gemmDynamic(planOf(form, d, k)),
  scratch: (d: Sizes, k: MatmulKernel): number =>
    usesFewRows(form, d.M) ? fewRowsScratch(form, d) : gemmScratch(planOf(form, d, k)),
  emit(w: Writer, at: Record<MatmulTensor, string>, d: Sizes, k: MatmulKernel): void {
    if (usesFewRows(form, d.M)) emitFewRows(w, at, form, d, k);
    else emitGemm(w, at, planOf(form, d, k), k);
  },
});

export const matmulAttrs = {
  activation: oneOf<Epilogue["activation"]>("none"),
  derivative: oneOf<Epilogue["derivative"]>("none"),
};
export const matmulFlops = ({ M, N, K }: Sizes): number => 2 * M * N * K;

type Tensors = Readonly<Record<Exclude<MatmulTensor, "a" | "b">, Float64Array>>;

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
      if (t.pre) t.pre[at] = v;
      if (activation !== "none") v = activations[activation].value(v);
      if (derivative !== "none") v *= activations[derivative].slope(t.gate[at]!);
      if (t.add) v += t.add[at]!;
      t.out[at] = v;
    }
}
