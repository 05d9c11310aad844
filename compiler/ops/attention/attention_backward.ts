/**
 * Gradient of attention (FlashAttention-2: Dao 2023): nothing of [T,T] is kept, P is computed again from the
 * scores and lse.
 *
 *   P = e^(S − lse)     Δ[q] = Σ_c dO[q,c] O[q,c]     dV = Pᵀ dO     dP = dO Vᵀ     dS = P ∘ (dP − Δ) / √D     dQ = dS K     dK = dSᵀ Q
 *
 * A task is one key/value head of one sequence: it alone writes that head's dK and dV, and the dQ of its
 * query heads.
 */
import { defineOp, oneByOne } from "../kit/op.ts";
import { copyRowsFunction, emitZeroPadding, zeroRowsFunction } from "../kit/copy-rows.ts";
import { packRowsFunction, packTransposedFunction } from "../kit/pack-panels.ts";
import { emitFromKeys, emitFromQueries, emitScores, stretched } from "./kit/block-products.ts";
import { dotRowsFunction, fillMask, MASK_BYTES, rowGradFunction, sumOfRows } from "./kit/score-rows.ts";
import {
  areas,
  attentionAttrs,
  blocks,
  firstSeen,
  pairs,
  sizesOf,
  windowLocal,
  type Sizes,
} from "./kit/kernel-sizes.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../kit/panels.ts";
import { sequenceTileChoices } from "./kit/tile-choices.ts";
import { emitEndOfRow, emitHide, usedRow } from "./kit/softmax.ts";

/**
 * Scores and their gradients: a sequence of up to 96 is one block, whose products overwrite instead of
 * adding.
 */
const QUERIES = 96;
const KEYS = 192;
/**
 * Key blocks begin at multiples of panels and of both register tiles, as the blocks of queries do: whole
 * tiles of keys then meet the diagonal.
 */
const WHOLE = 48;

const isDirect = (s: Sizes): boolean => s.D % s.NR === 0;
/** One block is all: products may overwrite. Otherwise they add to zeros. */
const isSingle = (s: Sizes): boolean => s.T <= s.QB && s.T <= s.KB && s.group === 1;

const areasOf = (s: Sizes) => {
  const positions = ceilTo(s.T, PANEL);
  const rows = ceilTo(s.QB, 4);
  const block = rows * s.KB * 4;
  const direct = isDirect(s);
  return areas({
    mask: MASK_BYTES,
    k_across: positions * s.D * 4,
    v_across: positions * s.D * 4,
    k_panels: positions * s.DP * 4,
    q_panels: s.QB * s.DP * 4,
    d_panels: s.QB * s.DP * 4,
    scores: block,
    d_scores: block,
    partial: rows * 32,
    delta: rows * 4,
    d_q: direct ? 0 : s.QB * s.DP * 4,
    d_k: direct ? 0 : s.T * s.DP * 4,
    d_v: direct ? 0 : s.T * s.DP * 4,
  });
};

export const attention_backward = defineOp(
  "qkv[R,Q] window[Z,Z]?:i32 out[R,O] lse[H,R] d_out[R,O] -> d_qkv[R,Q]",
  {
    doc:
      "dV = Pᵀ dO,  dS = P ∘ (dO Vᵀ − rowsum(dO ∘ O)) / √D,  dQ = dS K,  dK = dSᵀ Q   with P = e^(Q Kᵀ / " +
      "√D − lse)",
    attrs: attentionAttrs,
    flops: ({ R }, a) => 10 * a.heads * a.head_dim * pairs(a) * (R / a.context),
    reference({ qkv, window, out, lse, d_out, d_qkv }, { R, Q, O }, a) {
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
          const first = start + firstSeen(r - start, a, window);
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
    scratch: (d, k) => areasOf(sizesOf(d, k.attrs, k.tiles, k.attrs.context)).total,
    emit(w, at, d, k) {
      const s = sizesOf(d, k.attrs, k.tiles, k.attrs.context);
      const { T, D, G, H } = s;
      const direct = isDirect(s);
      const single = isSingle(s);
      const positions = ceilTo(T, PANEL);
      const tail = T % s.MR;
      const mode = single ? "set" : "add";
      // where a head's gradients are summed: in d_qkv itself, or in scratch when a head's columns are not
      // whole vectors
      const sumRow = direct ? s.qkvRow : s.DP * 4;
      const copy = (): string => copyRowsFunction(w, D, s.DP * 4, s.qkvRow, false);
      for (const [name, offset] of areasOf(s).offsets)
        if (direct ? !["d_q", "d_k", "d_v"].includes(name) : true)
          w.line(`const ${name} = scratch + ${offset};`);
      w.line(`const SCALE: f32 = ${s.scale};`);
      if (s.windowed) w.line(windowLocal(k.attrs, k.has("window") ? at.window : undefined));
      fillMask(w, "mask");
      w.block(`for (let task = first; task < last; task++)`, () => {
        w.line(`const sequence = task / ${G}, g = task % ${G};`);
        w.line(`const x = ${at.qkv} + <usize>sequence * ${T * s.qkvRow}; // qkv[T,Q] of the sequence`);
        w.line(`const d_x = ${at.d_qkv} + <usize>sequence * ${T * s.qkvRow}; // d_qkv[T,Q]`);
        w.line(
          `const key = <usize>(${H} + g) * ${D * 4}, value = <usize>(${H + G} + g) * ${D * 4}; // ` +
            "columns, in bytes",
        );
        w.line(`${packTransposedFunction(w, D, s.qkvRow)}(x + key, k_across, ${T});`);
        w.line(`${packTransposedFunction(w, D, s.qkvRow)}(x + value, v_across, ${T});`);
        w.line(`${packRowsFunction(w, D, s.qkvRow, positions)}(x + key, k_panels, ${T});`);
        if (direct) w.line(`const d_k = d_x + key, d_v = d_x + value;`);
        if (!single)
          for (const sum of ["d_k", "d_v"])
            w.line(`${zeroRowsFunction(w, direct ? D : s.DP, sumRow)}(${sum}, ${T});`);
        w.block(`for (let h = g * ${s.group}; h < (g + 1) * ${s.group}; h++)`, () => {
          w.block(`for (let q = 0; q < ${T}; q += ${s.QB})`, () => {
            w.line(`const rows = min(${s.QB}, ${T} - q);`);
            w.line(`const row = sequence * ${T} + q; // of the whole batch`);
            w.line(`const query = x + <usize>q * ${s.qkvRow} + <usize>h * ${D * 4}; // Q[rows,D]`);
            w.line(`const d_o = ${at.d_out} + <usize>row * ${s.outRow} + <usize>h * ${D * 4}; // dO[rows,D]`);
            w.line(`const lse_q = ${at.lse} + <usize>h * ${s.lseRow} + (<usize>row << 2); // lse[rows]`);
            if (direct)
              w.line(`const d_q = d_x + <usize>q * ${s.qkvRow} + <usize>h * ${D * 4}; // dQ[rows,D]`);
            if (!single) w.line(`${zeroRowsFunction(w, direct ? D : s.DP, sumRow)}(d_q, rows);`);
            w.line(`${packRowsFunction(w, D, s.qkvRow, s.QB)}(query, q_panels, rows);`);
            w.line(`${packRowsFunction(w, D, s.outRow, s.QB)}(d_o, d_panels, rows);`);
            w.line(`// delta[rows] = Σ dO ∘ O, times the scale`);
            w.line(
              `${dotRowsFunction(w, D, s.outRow)}(d_o, ${at.out} + <usize>row * ${s.outRow} + <usize>h ` +
                `* ${D * 4}, rows, partial);`,
            );
            w.line(
              "for (let r: usize = 0; r < <usize>rows; r += 4) v128.store(delta + (r << 2), " +
                `f32x4.mul(${sumOfRows(w)}(partial + (r << 5)), f32x4.splat(SCALE)));`,
            );
            const keyBlock = (firstKey: string, ahead: string, keys: string): void => {
              const block = { rows: "rows", keys, ahead, tail };
              emitScores(w, s, {
                ...block,
                a: "query",
                aRow: s.qkvRow,
                b: "k_across",
                bPanel: D * PANEL_BYTES,
                c: "scores",
                firstKey,
              });
              emitScores(w, s, {
                ...block,
                a: "d_o",
                aRow: s.outRow,
                b: "v_across",
                bPanel: D * PANEL_BYTES,
                c: "d_scores",
                firstKey,
              });
              w.line(`// scores = P = e^(scale · scores − lse); d_scores = P ∘ (d_scores − Δ) · scale`);
              w.block(`for (let r = 0; r < rows; r++)`, () => {
                w.line(`const at_row = <usize>r * ${s.KB * 4};`);
                emitEndOfRow(w, s, { keys, ahead });
                emitHide(w, s, { keys, ahead }, "scores + at_row");
                w.line(
                  `${rowGradFunction(w)}(scores + at_row${s.windowed ? " + (begin << 2)" : ""}, ` +
                    `${usedRow(s, "d_scores + at_row")}, SCALE, load<f32>(lse_q + (<usize>r << 2)), ` +
                    "load<f32>(delta + (<usize>r << 2)));",
                );
              });
              const fromQueries = { ...block, panelRows: s.QB, cRow: sumRow, mode } as const;
              const sum = (name: string): string =>
                firstKey === "0" ? name : `${name} + <usize>${firstKey} * ${sumRow}`;
              emitFromQueries(w, s, { ...fromQueries, scores: "scores", b: "d_panels", c: sum("d_v") });
              emitFromQueries(w, s, { ...fromQueries, scores: "d_scores", b: "q_panels", c: sum("d_k") });
              emitFromKeys(w, s, {
                ...block,
                scores: "d_scores",
                b: "k_panels",
                panels: stretched(positions),
                firstKey,
                c: "d_q",
                cRow: sumRow,
                mode,
              });
            };
            if (T > s.KB)
              w.block(
                `for (let first_key = ${s.windowed ? `max(q + 1 - WINDOW, 0) / ${WHOLE} * ${WHOLE}` : "0"}; first_key < ${s.causal ? "q + rows" : T}; first_key += ${s.KB})`,
                () => {
                  w.line(`const ahead = q - first_key, keys = min(${s.KB}, ${T} - first_key);`);
                  keyBlock("first_key", "ahead", "keys");
                },
              );
            else keyBlock("0", "q", `${T}`);
            if (!direct) w.line(`${copy()}(d_q, d_x + <usize>q * ${s.qkvRow} + <usize>h * ${D * 4}, rows);`);
          });
        });
        if (!direct)
          for (const [sum, column] of [
            ["d_k", "key"],
            ["d_v", "value"],
          ])
            w.line(`${copy()}(${sum}, d_x + ${column}, ${T});`);
        if (s.qkvRow > d.Q * 4)
          w.block(`if (g == ${G - 1})`, () => emitZeroPadding(w, "d_x", d.Q, s.qkvRow, `${T}`));
      });
    },
    sample: (tensor, _d, noise) => (tensor === "window" ? 23 : noise()),
    cases: [
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
