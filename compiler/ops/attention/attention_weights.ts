/**
 * Attention in two steps, for whoever wants to see its weights (Vaswani et al. 2017, as they write it): here
 * the [T,T] matrix of each head is in memory, which attention.ts avoids.
 *
 *   P[r,h,n]        softmax_n(q[r,h]·k[n,g] / √D) over the positions n that row r sees, 0 for all others
 *   out[r,h,:]      s[h] · Σ_n P[r,h,n] v[n,g,:]          s: by how much the head counts; absent: 1
 *
 * A task is a row, whose heads are computed one after the other. Speed is of no concern: texts to look at are
 * short.
 */
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import { defineOp } from "../kit/op.ts";
import type { Writer } from "../kit/writer.ts";
import { eachColumn, sumOver } from "../norm/head-loops.ts";
import { attentionAttrs, firstSeen, pairs, windowLocal, type AttentionAttrs } from "./kit/kernel-sizes.ts";

/** One past the last position that a row sees; `live`: how many rows there are. */
const endSeen = (position: number, { causal, context }: AttentionAttrs, live = context): number =>
  causal ? position + 1 : live;

/** The columns of a row at which a head's query, its key and its value begin. */
const columnsOf = (h: number, { heads, kv_heads, head_dim }: AttentionAttrs) => {
  const g = Math.floor((h * kv_heads) / heads);
  return { q: h * head_dim, k: (heads + g) * head_dim, v: (heads + kv_heads + g) * head_dim };
};

/** A loop over the worker's rows and their heads, with what both kernels need of them as locals. */
function eachRowAndHead(
  w: Writer,
  at: { readonly qkv: string; readonly live: string },
  { heads, kv_heads, head_dim, context, causal }: AttentionAttrs,
  hasLive: boolean,
  row: () => void,
  head: () => void,
): void {
  w.block("for (let r = first; r < last; r++)", () => {
    w.line(
      `const t = r % ${context}, end = ${causal ? "t + 1" : hasLive ? `load<i32>(${at.live})` : context};`,
    );
    row();
    w.block(`for (let h: usize = 0; h < ${heads}; h++)`, () => {
      w.line(`const g = h / ${heads / kv_heads}, query = ${4 * head_dim} * h;`);
      head();
    });
  });
}

export const attention_weights = defineOp("qkv[R,Q] window[Z,Z]?:i32 live[1]?:i32 -> weights[R,H,T]", {
  doc: "weights[r,h,:] = softmax(causal(q[r,h] Kᵀ / √D))   (Vaswani et al. 2017)",
  attrs: attentionAttrs,
  flops: ({ R, H }, a) => 2 * H * a.head_dim * pairs(a) * (R / a.context),
  reference({ qkv, window, live, weights }, { R, Q, H, T }, a) {
    weights.fill(0);
    for (let r = 0; r < R; r++)
      for (let h = 0; h < H; h++) {
        const t = r % T;
        const { q, k } = columnsOf(h, a);
        const first = firstSeen(t, a, window);
        const scores = Array.from({ length: endSeen(t, a, live?.[0]) - first }, (_, i) => {
          const key = (r - t + first + i) * Q + k;
          let dot = 0;
          for (let c = 0; c < a.head_dim; c++) dot += qkv[r * Q + q + c]! * qkv[key + c]!;
          return dot / Math.sqrt(a.head_dim);
        });
        const top = Math.max(...scores);
        const powers = scores.map((s) => Math.exp(s - top));
        const sum = powers.reduce((x, y) => x + y, 0);
        for (const [i, power] of powers.entries()) weights[(r * H + h) * T + first + i] = power / sum;
      }
  },
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { Q, H, T }, { attrs, has }) {
    const line = rowBytes(T);
    const qkvRow = rowBytes(Q);
    if (attrs.window !== 0) w.line(windowLocal(attrs, has("window") ? at.window : undefined));
    eachRowAndHead(
      w,
      at,
      attrs,
      has("live"),
      () => {
        w.line(`const from = ${attrs.window === 0 ? "0" : "max(t + 1 - WINDOW, 0)"};`);
        w.line(`const x = ${at.qkv} + <usize>(r - t) * ${qkvRow}; // qkv[T,Q] of the sequence`);
        w.line(`const weights_r = ${at.weights} + <usize>r * ${H * line};`);
      },
      () => {
        w.line(`const p = weights_r + h * ${line}, q = x + <usize>t * ${qkvRow} + query;`);
        w.line(`const keys = x + (${attrs.heads} + g) * ${4 * attrs.head_dim};`);
        w.line(`memory.fill(p, 0, ${line});`);
        w.line("let top = -f32.MAX_VALUE, sum: f32 = 0;");
        w.block("for (let n = from; n < end; n++)", () => {
          w.line(`const k = keys + <usize>n * ${qkvRow};`);
          sumOver(w, attrs.head_dim, "dot", (load, op) => op.mul(load("q"), load("k")));
          w.line(`const score = dot * <f32>${1 / Math.sqrt(attrs.head_dim)};`);
          w.line("store<f32>(p + (<usize>n << 2), score);");
          w.line("top = max(top, score);");
        });
        w.block("for (let n = <usize>from << 2; n < <usize>end << 2; n += 4)", () => {
          w.line("const power = f32x4.extract_lane(exp4(f32x4.splat(load<f32>(p + n) - top)), 0);");
          w.line("store<f32>(p + n, power);");
          w.line("sum += power;");
        });
        w.line(
          "for (let n = <usize>from << 2; n < <usize>end << 2; n += 4) " +
            "store<f32>(p + n, load<f32>(p + n) / sum);",
        );
      },
    );
  },
  constants: ["window"],
  sample: (tensor, _d, noise) => (tensor === "window" ? 4 : noise()),
  cases: [
    {
      d: { R: 22, Q: 24, H: 4, T: 11, Z: 1 },
      attrs: { heads: 4, kv_heads: 2, head_dim: 3, context: 11, window: 5 },
    },
    {
      d: { R: 17, Q: 32, H: 2, T: 17, Z: 1 },
      attrs: { heads: 2, kv_heads: 1, head_dim: 8, context: 17, window: 9 },
      with: ["window"],
    },
    {
      d: { R: 16, Q: 48, H: 2, T: 16, Z: 1 },
      attrs: { heads: 2, kv_heads: 2, head_dim: 8, context: 16, causal: false },
    },
    {
      d: { R: 128, Q: 1152, H: 6, T: 128, Z: 1 },
      attrs: { heads: 6, kv_heads: 6, head_dim: 64, context: 128 },
    },
  ],
});

export const attention_sum = defineOp("weights[R,H,T] qkv[R,Q] scales[H]? live[1]?:i32 -> out[R,O]", {
  doc: "out[r,h,:] = scales[h] · Σ_n weights[r,h,n] V[n,:]",
  attrs: attentionAttrs,
  flops: ({ R, H }, a) => 2 * H * a.head_dim * pairs(a) * (R / a.context),
  reference({ weights, qkv, scales, live, out }, { R, Q, H, T, O }, a) {
    for (let r = 0; r < R; r++)
      for (let h = 0; h < H; h++)
        for (let c = 0; c < a.head_dim; c++) {
          const { v } = columnsOf(h, a);
          const t = r % T;
          let sum = 0;
          for (let n = 0; n < endSeen(t, a, live?.[0]); n++)
            sum += weights[(r * H + h) * T + n]! * qkv[(r - t + n) * Q + v + c]!;
          out[r * O + h * a.head_dim + c] = (scales?.[h] ?? 1) * sum;
        }
  },
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { Q, H, T, O }, { attrs, has }) {
    const line = rowBytes(T);
    const qkvRow = rowBytes(Q);
    eachRowAndHead(
      w,
      at,
      attrs,
      has("live"),
      () => {
        w.line(`const x = ${at.qkv} + <usize>(r - t) * ${qkvRow}; // qkv[T,Q] of the sequence`);
        w.line(`const out_r = ${at.out} + <usize>r * ${rowBytes(O)};`);
        w.line(`memory.fill(out_r, 0, ${rowBytes(O)});`);
      },
      () => {
        w.line(`const p = ${at.weights} + <usize>r * ${H * line} + h * ${line}, to = out_r + query;`);
        w.line(`const values = x + (${attrs.heads + attrs.kv_heads} + g) * ${4 * attrs.head_dim};`);
        if (has("scales")) w.line(`const scale = load<f32>(${at.scales} + (h << 2));`);
        w.block("for (let n = 0; n < end; n++)", () => {
          w.line(`const weight = load<f32>(p + (<usize>n << 2))${has("scales") ? " * scale" : ""};`);
          w.line(`const v = values + <usize>n * ${qkvRow};`);
          eachColumn(w, attrs.head_dim, (load, store, op) =>
            store("to", op.sum(load("to"), op.mul(load("v"), op.all("weight")))),
          );
        });
      },
    );
  },
  constants: ["scales"],
  cases: [
    {
      d: { R: 22, Q: 24, H: 4, T: 11, O: 12 },
      attrs: { heads: 4, kv_heads: 2, head_dim: 3, context: 11 },
      with: ["scales"],
    },
    {
      d: { R: 17, Q: 32, H: 2, T: 17, O: 16 },
      attrs: { heads: 2, kv_heads: 1, head_dim: 8, context: 17 },
    },
    {
      d: { R: 16, Q: 48, H: 2, T: 16, O: 16 },
      attrs: { heads: 2, kv_heads: 2, head_dim: 8, context: 16, causal: false },
    },
    {
      d: { R: 128, Q: 1152, H: 6, T: 128, O: 384 },
      attrs: { heads: 6, kv_heads: 6, head_dim: 64, context: 128 },
    },
  ],
});
