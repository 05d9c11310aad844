/**
 * AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101), with clipping by global norm, in one pass over
 * parameters and moments.
 *
 *   g ← g · min(1, clip / (norm + 1e-6))   when clip > 0
 *   m ← m + (1 − β1)(g − m)        v ← β2 v + (1 − β2) g²
 *   p ← p · (1 − lr · decay) − lr · m̂ / (√v̂ + ε)        m̂ = m / (1 − β1^t),  v̂ = v / (1 − β2^t)
 *
 * These are the numbers of torch.optim.AdamW after torch.nn.utils.clip_grad_norm_. When the norm is not
 * finite, nothing is changed, and the trainer stops. Tensors are N lines of L = 16 floats; `decay` says
 * whether weight decay applies to these parameters.
 */
import { hyper as at_hyper } from "../../../runtime/contract/control.ts";
import { loadHyper } from "../kit/hyper.ts";
import { defineOp } from "../kit/op.ts";
import { LINE_BYTES, PAIR } from "../kit/row-loops.ts";

/** torch.nn.utils.clip_grad_norm_ adds this to the norm. */
export const CLIP_EPS = 1e-6;

export const adamw = defineOp(
  "p[N,L] g[N,L] m[N,L] v[N,L] hyper[H] norm[O] -> p_out[N,L] m_out[N,L] v_out[N,L]",
  {
    doc: "p ← p · (1 − lr · decay) − lr · m̂ / (√v̂ + ε)   (Loshchilov & Hutter 2019)",
    attrs: { decay: true },
    flops: ({ N, L }) => 16 * N * L,
    bytes: ({ N, L }) => 28 * N * L,
    mutates: { p_out: "p", m_out: "m", v_out: "v" },
    reference(t, _d, attrs) {
      const h = (name: keyof typeof at_hyper): number => t.hyper[at_hyper[name]]!;
      const [lr, beta1, beta2, clip] = [h("lr"), h("beta1"), h("beta2"), h("clip")];
      const factor = clip > 0 ? Math.min(1, clip / (t.norm[0]! + CLIP_EPS)) : 1;
      const finite = Number.isFinite(t.norm[0]);
      for (let i = 0; i < t.p.length; i++) {
        const g = t.g[i]! * factor;
        const m = beta1 * t.m[i]! + (1 - beta1) * g;
        const v = beta2 * t.v[i]! + (1 - beta2) * g * g;
        const shrink = attrs.decay ? 1 - lr * h("decay") : 1;
        t.m_out[i] = finite ? m : t.m[i]!;
        t.v_out[i] = finite ? v : t.v[i]!;
        t.p_out[i] = finite
          ? shrink * t.p[i]! - (lr * m * h("correction1")) / (Math.sqrt(v * h("correction2")) + h("eps"))
          : t.p[i]!;
      }
    },
    tasks: ({ N }) => N,
    emit(w, at, _d, { attrs }) {
      const h = (name: keyof typeof at_hyper): string => loadHyper(at.hyper, name);
      w.line(`const total = load<f32>(${at.norm});`);
      w.line("if (!isFinite<f32>(total)) return;");
      w.line(`const lr = ${h("lr")}, clip = ${h("clip")}, beta2 = f32x4.splat(${h("beta2")});`);
      w.line(`const factor = f32x4.splat(clip > 0 ? min<f32>(1, clip / (total + <f32>${CLIP_EPS})) : 1);`);
      w.line(
        `const new1 = f32x4.splat(1 - ${h("beta1")}), new2 = f32x4.splat(1 - ${h("beta2")}), eps = ` +
          `f32x4.splat(${h("eps")});`,
      );
      w.line(
        `const step = f32x4.splat(lr * ${h("correction1")}), correction2 = f32x4.splat(${h("correction2")});`,
      );
      if (attrs.decay) w.line(`const shrink = f32x4.splat(1 - lr * ${h("decay")});`);
      w.line(`const end = <usize>last * ${LINE_BYTES};`);
      w.block(`for (let i = <usize>first * ${LINE_BYTES}; i < end; i += 32)`, () => {
        for (const t of ["p", "g", "m", "v"] as const) w.line(`const ${t}_i = ${at[t]} + i;`);
        for (const [half, offset] of PAIR) {
          w.line(
            `const g_${half} = f32x4.mul(v128.load(g_i${offset}), factor), m_old_${half} = ` +
              `v128.load(m_i${offset});`,
          );
          w.line(`const m_${half} = madd(new1, f32x4.sub(g_${half}, m_old_${half}), m_old_${half});`);
          w.line(
            `const v_${half} = madd(beta2, v128.load(v_i${offset}), f32x4.mul(new2, ` +
              `f32x4.mul(g_${half}, g_${half})));`,
          );
          w.line(
            `const change_${half} = f32x4.div(f32x4.mul(step, m_${half}), ` +
              `f32x4.add(f32x4.sqrt(f32x4.mul(v_${half}, correction2)), eps));`,
          );
          const p = `v128.load(p_i${offset})`;
          w.line(
            `const p_${half} = f32x4.sub(${attrs.decay ? `f32x4.mul(${p}, shrink)` : p}, change_${half});`,
          );
        }
        for (const t of ["m", "v", "p"] as const)
          for (const [half, offset] of PAIR) w.line(`v128.store(${t}_i, ${t}_${half}${offset}); // in place`);
      });
    },
    sample: (tensor, _d, noise, i) =>
      tensor === "v"
        ? 0.01 + 0.01 * noise()
        : tensor === "norm"
          ? 2.5
          : tensor === "hyper"
            ? ([1e-2, 0.9, 0.99, 1e-8, 0.1, 1, 10, 100][i] ?? 0)
            : noise(),
    cases: [
      { d: { N: 5, L: 16, H: 16, O: 1 } },
      { d: { N: 16, L: 16, H: 16, O: 1 }, attrs: { decay: false } },
      { d: { N: 1, L: 16, H: 16, O: 1 } },
      { d: { N: 61, L: 16, H: 16, O: 1 } },
      { d: { N: 49152, L: 16, H: 16, O: 1 } },
    ],
  },
);
