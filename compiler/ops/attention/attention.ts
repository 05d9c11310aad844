/**
 * Attention over whole sequences (Vaswani et al. 2017) with grouped heads (Ainslie et al. 2023). No [T,T]
 * matrix is ever in memory (FlashAttention: Dao et al. 2022): blocks of queries meet blocks of keys, an
 * online softmax joins them, and everything that lies above the diagonal is skipped.
 *
 *   S[q,k] = Q[q,:]·K[k,:] / √D
 *   P[q,:] = softmax(S[q,:])
 *   out[q,:] = Σ_k P[q,k] V[k,:]
 *   lse[h,q] = ln Σ_k e^S[q,k]
 *
 * Where documents stand side by side, `documents` says of each row at which row of its sequence its
 * document begins; blocks of keys before it are skipped. It never falls along a sequence, and is no larger
 * than the row itself.
 *
 * A task is one key/value head of one sequence: its K and V are packed once for all of its query heads.
 */
import { defineOp, oneByOne } from "../kit/op.ts";
import { emitZeroPadding } from "../kit/copy-rows.ts";
import { packRowsFunction, packTransposedFunction } from "../kit/pack-panels.ts";
import { emitQueries, queryAreas } from "./kit/query-blocks.ts";
import { fillMask } from "./kit/score-rows.ts";
import { sequenceTileChoices } from "./kit/attention-tiles.ts";
import {
  areas,
  attentionAttrs,
  blocks,
  exponentials,
  firstSeen,
  pairs,
  sizesOf,
  windowLocal,
  type Sizes,
} from "./kit/kernel-sizes.ts";
import { emitTouch, qkvColumns, queryColumns } from "./kit/touch-heads.ts";
import { ceilTo, PANEL } from "../kit/panels.ts";

/**
 * Scores of 48 × 384 are 72 KiB, which pass through L2. Fewer keys would mean more rescaling, and more
 * queries gain nothing (app/studies/attention.ts).
 */
const QUERIES = 48;
const KEYS = 384;

const areasOf = (s: Sizes) => {
  const positions = ceilTo(s.T, PANEL);
  return areas({ ...queryAreas(s), k_across: positions * s.D * 4, v_panels: positions * s.DP * 4 });
};

export const attention = defineOp("qkv[R,Q] window[Z,Z]?:i32 documents[R]?:i32 -> out[R,O] lse[H,R]?", {
  doc: "out = softmax(causal(Q Kᵀ / √D)) V   per head, blocked, online softmax",
  attrs: attentionAttrs,
  flops: ({ R }, a) => 4 * a.heads * a.head_dim * pairs(a) * (R / a.context),
  applies: exponentials,
  reference({ qkv, window, documents, out, lse }, { R, Q, O }, a) {
    const H = a.heads;
    const G = a.kv_heads;
    const D = a.head_dim;
    const T = a.context;
    for (let h = 0; h < H; h++) {
      const g = Math.floor((h * G) / H);
      const q = h * D;
      const k = (H + g) * D;
      const v = (H + G + g) * D; // columns of qkv
      for (let r = 0; r < R; r++) {
        const start = r - (r % T);
        const first = start + firstSeen(r - start, a, window, documents?.[r]);
        const last = a.causal ? r : start + T - 1;
        const scores = Array.from(
          { length: last - first + 1 },
          (_, n) => dot(qkv, r * Q + q, (first + n) * Q + k, D) / Math.sqrt(D),
        );
        const top = Math.max(...scores);
        const weights = scores.map((s) => Math.exp(s - top));
        const sum = weights.reduce((x, y) => x + y, 0);
        for (let c = 0; c < D; c++) {
          let attended = 0;
          for (let n = 0; n < weights.length; n++)
            attended += (weights[n]! / sum) * qkv[(first + n) * Q + v + c]!;
          out[r * O + h * D + c] = attended;
        }
        if (lse) lse[h * R + r] = top + Math.log(sum);
      }
    }
  },
  backward: (_has, attrs) => [
    {
      op: "attention_backward",
      ins: { qkv: "qkv", window: "window", documents: "documents", out: "out", lse: "lse", d_out: "d_out" },
      outs: { d_qkv: "d_qkv" },
      attrs,
    },
  ],
  tiles: (_d, a, target) => blocks(target, a.context, a.context, QUERIES, KEYS),
  tileChoices: sequenceTileChoices,
  tasks: ({ R }, { attrs }) => (R / attrs.context) * attrs.kv_heads,
  dynamic: (d, k) => oneByOne((d.R / k.attrs.context) * k.attrs.kv_heads),
  scratch: (d, k) => areasOf(sizesOf(d, k.attrs, k.tiles, k.attrs.context)).total,
  emit(w, at, d, k) {
    const s = sizesOf(d, k.attrs, k.tiles, k.attrs.context, k.has("documents"));
    const { T, D, G } = s;
    const positions = ceilTo(T, PANEL);
    for (const [name, offset] of areasOf(s).offsets) w.line(`const ${name} = scratch + ${offset};`);
    w.line(`const SCALE: f32 = ${s.scale};`);
    if (s.windowed) w.line(windowLocal(k.attrs, k.has("window") ? at.window : undefined));
    fillMask(w, "mask");
    w.block(`for (let task = first; task < last; task++)`, () => {
      w.line(`const sequence = task / ${G}, g = task % ${G};`);
      w.line(`const x = ${at.qkv} + <usize>sequence * ${T * s.qkvRow}; // qkv[T,Q] of the sequence`);
      w.line(`const mine = ${at.out} + <usize>sequence * ${T * s.outRow}; // out[T,O]`);
      emitTouch(w, s, [
        { at: "x", rowBytes: s.qkvRow, columns: qkvColumns(s) },
        { at: "mine", rowBytes: s.outRow, columns: [queryColumns(s)] },
      ]);
      w.line(
        `${packTransposedFunction(w, D, s.qkvRow)}(x + <usize>(${s.H} + g) * ${D * 4}, k_across, ${T});`,
      );
      w.line(
        `${packRowsFunction(w, D, s.qkvRow, positions)}(x + <usize>(${s.H + G} + g) * ${D * 4}, ` +
          `v_panels, ${T});`,
      );
      w.block(`for (let h = g * ${s.group}; h < (g + 1) * ${s.group}; h++)`, () => {
        emitQueries(w, s, k.target, {
          query: `x + <usize>h * ${D * 4}`,
          queryRow: s.qkvRow,
          out: `mine + <usize>h * ${D * 4}`,
          outRow: s.outRow,
          across: "k_across",
          panels: "v_panels",
          ...(s.documents && { documents: `${at.documents} + (<usize>(sequence * ${T}) << 2)` }),
          ...(k.has("lse") && {
            lse: () =>
              w.line(
                `memory.copy(${at.lse} + <usize>h * ${s.lseRow} + (<usize>(sequence * ${T} + q) << 2), ` +
                  "shift, <usize>rows << 2);",
              ),
          }),
        });
        if (k.has("lse") && s.lseRow > d.R * 4) {
          w.block(`if (sequence == ${s.B - 1})`, () =>
            emitZeroPadding(w, `${at.lse} + <usize>h * ${s.lseRow}`, d.R, s.lseRow, "1"),
          );
        }
      });
      if (s.outRow > d.O * 4)
        w.block(`if (g == ${G - 1})`, () => emitZeroPadding(w, "mine", d.O, s.outRow, `${T}`));
    });
  },
  constants: ["documents"],
  sample: (tensor, _d, noise, i, a) =>
    tensor === "window" ? 23 : tensor === "documents" ? documentStart(i % a.context) : noise(),
  cases: [
    {
      d: { R: 66, Q: 24, O: 12, H: 4, Z: 1 },
      attrs: { heads: 4, kv_heads: 2, head_dim: 3, context: 33, window: 9 },
      with: ["lse"],
    },
    {
      d: { R: 50, Q: 32, O: 16, H: 2, Z: 1 },
      attrs: { heads: 2, kv_heads: 1, head_dim: 8, context: 50, window: 9 },
      with: ["lse", "window"],
    },
    {
      d: { R: 100, Q: 32, O: 16, H: 2, Z: 1 },
      attrs: { heads: 2, kv_heads: 1, head_dim: 8, context: 50 },
      with: ["lse", "documents"],
    },
    {
      d: { R: 768, Q: 384, O: 128, H: 4, Z: 1 },
      attrs: { heads: 4, kv_heads: 4, head_dim: 32, context: 64 },
      with: ["lse"],
    },
    {
      d: { R: 2048, Q: 1152, O: 384, H: 6, Z: 1 },
      attrs: { heads: 6, kv_heads: 6, head_dim: 64, context: 256 },
      with: ["lse"],
    },
    {
      d: { R: 256, Q: 2304, O: 768, H: 12, Z: 1 },
      attrs: { heads: 12, kv_heads: 12, head_dim: 64, context: 64 },
      with: ["lse"],
    },
  ],
});

/** Documents of 11 rows, for tests. */
export const documentStart = (position: number): number => position - (position % 11);

/** Σ_c x[i + c] · x[j + c] over D numbers. */
function dot(x: Float64Array, i: number, j: number, D: number): number {
  let sum = 0;
  for (let c = 0; c < D; c++) sum += x[i + c]! * x[j + c]!;
  return sum;
}
