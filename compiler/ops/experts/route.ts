/**
 * The router of a mixture of experts (Shazeer et al. 2017, arXiv:1701.06538; weights as in Mixtral: Jiang et
 * al. 2024). Every row goes to the K experts with the largest logits; of two that are equal, the one with the
 * lower number comes first. Their weights are the softmax over these K (`renormalise`) or over all experts
 * (Fedus et al. 2021: with one expert per row, a weight of 1 would teach the router nothing).
 *
 *   renormalised   weights[r,k] = e^logits[r,choice[r,k]] / Σ_j e^logits[r,choice[r,j]]
 *                  d_logits[r,choice[r,k]] = w_k (d_w_k − Σ_j w_j d_w_j)
 *   over all       the sum in the denominator is over all experts
 *                  d_logits[r,e] = Σ_k [e = choice[r,k]] w_k d_w_k − p[r,e] Σ_j w_j d_w_j
 */
import { defineOp } from "../kit/op.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";

export const route = defineOp("logits[R,E] live[1]?:i32 -> weights[R,K] choice[R,K]:i32", {
  doc:
    "choice[r,:] = the K largest logits, in falling order; weights[r,:] = softmax over them   (Shazeer et " +
    "al. 2017)",
  attrs: { renormalise: true },
  flops: ({ R, E, K }) => R * K * (E + 16),
  exact: ["logits"],
  reference({ logits, weights, choice }, { R, E, K }, attrs) {
    for (let r = 0; r < R; r++) {
      const row = logits.slice(r * E, (r + 1) * E);
      const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, K);
      const power = (e: number): number => Math.exp(row[e]! - row[order[0]!]!);
      const sum = (attrs.renormalise ? order : [...row.keys()]).reduce((total, e) => total + power(e), 0);
      for (let k = 0; k < K; k++) {
        choice[r * K + k] = order[k]!;
        weights[r * K + k] = power(order[k]!) / sum;
      }
    }
  },
  backward: (_has, attrs) => [
    {
      op: "route_backward",
      ins: {
        ...(!attrs.renormalise && { logits: "logits" }),
        weights: "weights",
        choice: "choice",
        d_weights: "d_weights",
      },
      outs: { d_logits: "d_logits" },
    },
  ],
  rows: "R",
  rowTasks: true,
  tasks: ({ R }) => R,
  emit(w, at, { E, K }, { attrs }) {
    const bytes = rowBytes(K);
    const power = (logit: string): string => `f32x4.extract_lane(exp4(f32x4.splat(${logit} - most)), 0)`;
    w.block("for (let r = first; r < last; r++)", () => {
      w.line(
        `const logits_r = ${at.logits} + <usize>r * ${rowBytes(E)}, weights_r = ${at.weights} + ` +
          `<usize>r * ${bytes}, choice_r = ${at.choice} + <usize>r * ${bytes};`,
      );
      w.line(`memory.fill(weights_r, 0, ${bytes});`);
      w.line(`memory.fill(choice_r, 0, ${bytes});`);
      w.line(
        "let above = f32.MAX_VALUE, before = -1, most: f32 = 0, sum: f32 = 0; // the choice before: its " +
          "logit and its number",
      );
      w.block(`for (let k: usize = 0; k < ${4 * K}; k += 4)`, () => {
        w.line(`let best = -1, top = -f32.MAX_VALUE;`);
        w.block(`for (let e = 0; e < ${E}; e++)`, () => {
          w.line("const logit = load<f32>(logits_r + (<usize>e << 2));");
          w.line(
            "if ((logit < above || (logit == above && e > before)) && (best < 0 || logit > top)) { best " +
              "= e; top = logit; }",
          );
        });
        w.line(
          `if (best < 0) { best = before + 1 < ${E} ? before + 1 : 0; top = load<f32>(logits_r + ` +
            "(<usize>best << 2)); } // not a number: the loss will say so",
        );
        w.line("if (k == 0) most = top;");
        w.line(`const power = ${power("top")};`);
        w.line("sum += power;");
        w.line("store<f32>(weights_r + k, power);");
        w.line("store<i32>(choice_r + k, best);");
        w.line("above = top; before = best;");
      });
      if (!attrs.renormalise)
        w.line(
          `sum = 0; for (let e: usize = 0; e < ${4 * E}; e += 4) sum += ${power("load<f32>(logits_r + e)")};`,
        );
      w.line(
        `for (let k: usize = 0; k < ${4 * K}; k += 4) store<f32>(weights_r + k, load<f32>(weights_r + ` +
          "k) / sum);",
      );
    });
  },
  sample: (_tensor, _d, noise) => 3 * noise(),
  cases: [
    { d: { R: 7, E: 5, K: 2 } },
    { d: { R: 17, E: 8, K: 1 } },
    { d: { R: 4, E: 3, K: 3 } },
    { d: { R: 9, E: 33, K: 17 } },
    { d: { R: 9, E: 5, K: 1 }, attrs: { renormalise: false } },
    { d: { R: 6, E: 7, K: 3 }, attrs: { renormalise: false } },
    { d: { R: 768, E: 8, K: 2 } },
  ],
});

export const route_backward = defineOp(
  "logits[R,E]? weights[R,K] choice[R,K]:i32 d_weights[R,K] -> d_logits[R,E]",
  {
    doc:
      "d_logits[r,choice[r,k]] = w_k (d_w_k − Σ_j w_j d_w_j), 0 for experts that are not chosen; with " +
      "logits: not renormalised",
    flops: ({ R, K }) => 5 * R * K,
    reference({ logits, weights, choice, d_weights, d_logits }, { R, E, K }) {
      d_logits.fill(0);
      for (let r = 0; r < R; r++) {
        const all = Array.from({ length: K }, (_, k) => r * K + k);
        const mean = all.reduce((sum, i) => sum + weights[i]! * d_weights[i]!, 0);
        // the first choice has the largest: its weight is 1 / Σ
        const most = logits?.[r * E + choice[r * K]!] ?? 0;
        if (logits)
          for (let e = 0; e < E; e++)
            d_logits[r * E + e] = -mean * Math.exp(logits[r * E + e]! - most) * weights[r * K]!;
        for (const i of all)
          d_logits[r * E + choice[i]!]! += weights[i]! * (d_weights[i]! - (logits ? 0 : mean));
      }
    },
    tasks: ({ R }) => R,
    emit(w, at, { E, K }, { has }) {
      const bytes = rowBytes(K);
      w.block("for (let r = first; r < last; r++)", () => {
        w.line(`const d_logits_r = ${at.d_logits} + <usize>r * ${rowBytes(E)}, row = <usize>r * ${bytes};`);
        w.line(`memory.fill(d_logits_r, 0, ${rowBytes(E)});`);
        w.line("let mean: f32 = 0;");
        w.line(
          `for (let k = row; k < row + ${4 * K}; k += 4) mean += load<f32>(${at.weights} + k) * ` +
            `load<f32>(${at.d_weights} + k);`,
        );
        if (has("logits")) {
          w.line(
            `const logits_r = ${at.logits} + <usize>r * ${rowBytes(E)}, most = load<f32>(logits_r + ` +
              `(<usize>load<i32>(${at.choice} + row) << 2)), times = -mean * load<f32>(${at.weights} + ` +
              "row);",
          );
          w.line(
            `for (let e: usize = 0; e < ${4 * E}; e += 4) store<f32>(d_logits_r + e, times * ` +
              "f32x4.extract_lane(exp4(f32x4.splat(load<f32>(logits_r + e) - most)), 0));",
          );
        }
        w.block(`for (let k = row; k < row + ${4 * K}; k += 4)`, () => {
          w.line(`const to = d_logits_r + (<usize>load<i32>(${at.choice} + k) << 2);`);
          w.line(
            `store<f32>(to, load<f32>(to) + load<f32>(${at.weights} + k) * (load<f32>(${at.d_weights} + ` +
              `k)${has("logits") ? "" : " - mean"}));`,
          );
        });
      });
    },
    /** Different experts in a row, as `route` chooses them. */
    sample: (tensor, { E, K }, noise, i) =>
      tensor === "choice"
        ? ((i % K) + Math.floor(i / K)) % E
        : tensor === "weights"
          ? (noise() + 1) / K
          : noise(),
    cases: [
      { d: { R: 7, E: 5, K: 2 } },
      { d: { R: 17, E: 8, K: 1 }, with: ["logits"] },
      { d: { R: 6, E: 7, K: 3 }, with: ["logits"] },
      { d: { R: 768, E: 8, K: 2 } },
    ],
  },
);
