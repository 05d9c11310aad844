/**
 * Gradient of attention (FlashAttention-2: Dao 2023). Nothing of [T,T] is kept: P is computed again from the
 * scores and lse.
 *
 *   P = e^(S − lse)           Δ[q] = Σ_c dO[q,c] O[q,c]     dV = Pᵀ dO        dP = dO Vᵀ
 *   dS = P ∘ (dP − Δ) / √D    dQ = dS K                     dK = dSᵀ Q
 *
 * A task is one key/value head of one sequence: it alone writes that head's dK and dV, and the dQ of its
 * query heads. The blocks of a task: kit/gradient-blocks.ts.
 */
import type { Kernel } from "../kit/op.ts";
import { defineOp, oneByOne } from "../kit/op.ts";
import type { Dims } from "../kit/signature.ts";
import { emitGradientLocals, emitGradientTask, gradientAreas, gradientOf } from "./kit/gradient-blocks.ts";
import {
  attentionAttrs,
  blocks,
  exponentials,
  firstSeen,
  pairs,
  sizesOf,
  type AttentionAttrs,
} from "./kit/kernel-sizes.ts";
import { documentStart } from "./attention.ts";
import { sequenceTileChoices } from "./kit/attention-tiles.ts";

/** A sequence of up to 96 positions is one block of scores, whose products overwrite instead of adding. */
const QUERIES = 96;
const KEYS = 192;

const gradient = (
  d: Dims,
  { attrs, tiles, has }: Pick<Kernel<string, AttentionAttrs>, "attrs" | "tiles" | "has">,
) => gradientOf(sizesOf(d, attrs, tiles, attrs.context, has("documents")));

export const attention_backward = defineOp(
  "qkv[R,Q] window[Z,Z]?:i32 documents[R]?:i32 out[R,O] lse[H,R] d_out[R,O] -> d_qkv[R,Q]",
  {
    doc:
      "dV = Pᵀ dO,  dS = P ∘ (dO Vᵀ − rowsum(dO ∘ O)) / √D,  dQ = dS K,  dK = dSᵀ Q   with P = e^(Q Kᵀ / " +
      "√D − lse)",
    attrs: attentionAttrs,
    flops: ({ R }, a) => 10 * a.heads * a.head_dim * pairs(a) * (R / a.context),
    applies: exponentials,
    reference({ qkv, window, documents, out, lse, d_out, d_qkv }, { R, Q, O }, a) {
      const H = a.heads;
      const G = a.kv_heads;
      const D = a.head_dim;
      const T = a.context;
      const scale = 1 / Math.sqrt(D);
      d_qkv.fill(0);
      for (let h = 0; h < H; h++) {
        const g = Math.floor((h * G) / H);
        const q = h * D;
        const k = (H + g) * D;
        const v = (H + G + g) * D; // columns of qkv
        for (let r = 0; r < R; r++) {
          let delta = 0;
          for (let c = 0; c < D; c++) delta += d_out[r * O + h * D + c]! * out[r * O + h * D + c]!;
          const start = r - (r % T);
          const first = start + firstSeen(r - start, a, window, documents?.[r]);
          const last = a.causal ? r : start + T - 1;
          for (let n = first; n <= last; n++) {
            let score = 0;
            let d_p = 0;
            for (let c = 0; c < D; c++) {
              score += qkv[r * Q + q + c]! * qkv[n * Q + k + c]! * scale;
              d_p += d_out[r * O + h * D + c]! * qkv[n * Q + v + c]!;
            }
            const p = Math.exp(score - lse[h * R + r]!);
            const d_s = p * (d_p - delta) * scale;
            for (let c = 0; c < D; c++) {
              d_qkv[n * Q + v + c]! += p * d_out[r * O + h * D + c]!;
              d_qkv[r * Q + q + c]! += d_s * qkv[n * Q + k + c]!;
              d_qkv[n * Q + k + c]! += d_s * qkv[r * Q + q + c]!;
            }
          }
        }
      }
    },
    tiles: (_d, a, target) => blocks(target, a.context, a.context, QUERIES, KEYS),
    tileChoices: sequenceTileChoices,
    tasks: ({ R }, { attrs }) => (R / attrs.context) * attrs.kv_heads,
    dynamic: (d, k) => oneByOne((d.R / k.attrs.context) * k.attrs.kv_heads),
    scratch: (d, k) => gradientAreas(gradient(d, k)).total,
    emit(w, at, d, k) {
      const p = gradient(d, k);
      emitGradientLocals(w, at, k, p);
      w.block(`for (let task = first; task < last; task++)`, () => emitGradientTask(w, at, p, d.Q));
    },
    sample: (tensor, _d, noise, i, a) =>
      tensor === "window" ? 23 : tensor === "documents" ? documentStart(i % a.context) : noise(),
    cases: [
      {
        d: { R: 100, Q: 32, O: 16, H: 2, Z: 1 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, context: 50, window: 9 },
      },
      {
        d: { R: 220, Q: 24, O: 8, H: 1, Z: 1 },
        attrs: { heads: 1, kv_heads: 1, head_dim: 8, context: 220, window: 23 },
        with: ["window"],
      },
      {
        d: { R: 100, Q: 32, O: 16, H: 2, Z: 1 },
        attrs: { heads: 2, kv_heads: 1, head_dim: 8, context: 50, window: 7 },
        with: ["documents"],
      },
      {
        d: { R: 768, Q: 384, O: 128, H: 4, Z: 1 },
        attrs: { heads: 4, kv_heads: 4, head_dim: 32, context: 64 },
      },
      {
        d: { R: 2048, Q: 1152, O: 384, H: 6, Z: 1 },
        attrs: { heads: 6, kv_heads: 6, head_dim: 64, context: 256 },
      },
      {
        d: { R: 256, Q: 2304, O: 768, H: 12, Z: 1 },
        attrs: { heads: 12, kv_heads: 12, head_dim: 64, context: 64 },
      },
    ],
  },
);
