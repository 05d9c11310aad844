/**
 * Scaled rotary embeddings: what config.json and GGUF say is what is computed, compared with a forward pass
 * in f64, and it goes out again.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomStream } from "../../../runtime/base/random.ts";
import { writeHeader } from "../../../runtime/store/safetensors.ts";
import { sinter } from "../../support/command-line.ts";
import { logitsOf } from "./models.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-rope-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const V = 19;
const C = 24;
const H = 4;
const KV = 2;
const D = 6;
const F = 20;
const L = 2;
const THETA = 300;
const EPS = 1e-5;
const shapes: readonly (readonly [string, readonly number[]])[] = [
  ["embed_tokens", [V, C]],
  ...Array.from({ length: L }, (_, i) =>
    (
      [
        ["input_layernorm", [C]],
        ["self_attn.q_proj", [H * D, C]],
        ["self_attn.k_proj", [KV * D, C]],
        ["self_attn.v_proj", [KV * D, C]],
        ["self_attn.o_proj", [C, H * D]],
        ["post_attention_layernorm", [C]],
        ["mlp.gate_proj", [F, C]],
        ["mlp.up_proj", [F, C]],
        ["mlp.down_proj", [C, F]],
      ] as const
    ).map(([name, shape]) => [`layers.${i}.${name}`, shape] as const),
  ).flat(),
  ["norm", [C]],
];
const random = randomStream(7, "rope");
const weights = new Map(
  shapes.map(([name, shape]) => [
    name,
    Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => (shape.length === 1 ? 1 : 0) + 1.4 * (random.unit() - 0.5),
    ),
  ]),
);

const plain = Array.from({ length: D / 2 }, (_, i) => THETA ** ((-2 * i) / D));
/** Llama 3's scaling, after the code of its report: original context 16, factor 8, low 1, high 4. */
const llama3 = plain.map((f) => {
  const turns = (16 * f) / (2 * Math.PI);
  const share = Math.min(1, Math.max(0, (turns - 1) / 3));
  return (1 - share) * (f / 8) + share * f;
});
const forms: Readonly<Record<string, { readonly config: object; readonly frequencies: readonly number[] }>> =
  {
    plain: { config: {}, frequencies: plain },
    linear: { config: { rope_scaling: { type: "linear", factor: 4 } }, frequencies: plain.map((f) => f / 4) },
    "linear, newer": {
      config: { rope_parameters: { rope_type: "linear", factor: 2.5, rope_theta: THETA } },
      frequencies: plain.map((f) => f / 2.5),
    },
    "llama3, newer": {
      config: {
        rope_parameters: {
          rope_type: "llama3",
          rope_theta: THETA,
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 16,
        },
      },
      frequencies: llama3,
    },
  };
const names = Object.keys(forms);
const prompt = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4];

beforeAll(() => {
  const header = writeHeader(
    shapes.map(([name, shape]) => ({ name: `model.${name}.weight`, dtype: "F32", shape })),
    { format: "pt" },
  );
  const file = Buffer.concat([header, ...shapes.map(([name]) => new Uint8Array(weights.get(name)!.buffer))]);
  for (const name of names) {
    mkdirSync(at(name));
    writeFileSync(join(at(name), "model.safetensors"), file);
    writeFileSync(
      join(at(name), "config.json"),
      JSON.stringify({
        model_type: "llama",
        vocab_size: V,
        hidden_size: C,
        num_hidden_layers: L,
        num_attention_heads: H,
        num_key_value_heads: KV,
        head_dim: D,
        intermediate_size: F,
        max_position_embeddings: 64,
        rms_norm_eps: EPS,
        rope_theta: THETA,
        tie_word_embeddings: true,
        surprise: 1,
        ...forms[name]!.config,
      }),
    );
  }
});

/** The model (Touvron et al. 2023) in f64: the logits after each token. */
function reference(ids: readonly number[], frequencies: readonly number[]): number[][] {
  const times = (name: string, x: readonly number[]): number[] => {
    const w = weights.get(name)!;
    return Array.from({ length: w.length / x.length }, (_, o) =>
      x.reduce((sum, v, i) => sum + v * w[o * x.length + i]!, 0),
    );
  };
  const norm = (name: string, x: readonly number[]): number[] => {
    const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + EPS);
    return x.map((v, i) => v * scale * weights.get(name)![i]!);
  };
  /** Rotates pairs that are half a head apart, as in Hugging Face's weights. */
  const rotated = (x: readonly number[], position: number): number[] =>
    x.map((v, c) => {
      const column = c % D;
      const i = column % (D / 2);
      const angle = position * frequencies[i]!;
      const other = column < D / 2 ? -x[c + D / 2]! : x[c - D / 2]!;
      return v * Math.cos(angle) + other * Math.sin(angle);
    });
  const keys: number[][][] = Array.from({ length: L }, () => []);
  const values: number[][][] = Array.from({ length: L }, () => []);
  return ids.map((id, position) => {
    let x = Array.from(weights.get("embed_tokens")!.subarray(id * C, id * C + C));
    for (let l = 0; l < L; l++) {
      const of = (name: string): string => `layers.${l}.${name}`;
      const n = norm(of("input_layernorm"), x);
      const q = rotated(times(of("self_attn.q_proj"), n), position);
      keys[l]!.push(rotated(times(of("self_attn.k_proj"), n), position));
      values[l]!.push(times(of("self_attn.v_proj"), n));
      const mixed = Array.from({ length: H }, (_, h) => {
        const kv = Math.floor(h / (H / KV)) * D;
        const scores = keys[l]!.map((k) =>
          Math.exp(
            Array.from({ length: D }, (__, i) => q[h * D + i]! * k[kv + i]!).reduce((a, b) => a + b, 0) /
              Math.sqrt(D),
          ),
        );
        const total = scores.reduce((a, b) => a + b, 0);
        return Array.from({ length: D }, (__, i) =>
          scores.reduce((sum, s, t) => sum + (s / total) * values[l]![t]![kv + i]!, 0),
        );
      }).flat();
      x = times(of("self_attn.o_proj"), mixed).map((v, i) => v + x[i]!);
      const m = norm(of("post_attention_layernorm"), x);
      const up = times(of("mlp.up_proj"), m);
      const gated = times(of("mlp.gate_proj"), m).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!);
      x = times(of("mlp.down_proj"), gated).map((v, i) => v + x[i]!);
    }
    return times("embed_tokens", norm("norm", x));
  });
}

const furthest = (a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number =>
  Math.max(...a.map((row, t) => Math.max(...Array.from(row, (x, i) => Math.abs(x - b[t]![i]!)))));

describe.each(names)("%s", (name) => {
  const { frequencies } = forms[name]!;
  it("is what is computed", async () => {
    const said = await sinter("import", at(name), "-o", at(`${name}-run`), "--target", "simd");
    expect(said).toContain(
      "\nnote: config.json has a key that is not known here, and is ignored: surprise\n",
    );
    const right = reference(prompt, frequencies);
    expect(furthest(await logitsOf(at(`${name}-run`), prompt), right)).toBeLessThan(2e-4);
    // shows that the test can fail
    if (name !== "plain") expect(furthest(reference(prompt, plain), right)).toBeGreaterThan(0.1);
  });
  it.each(["hf", "gguf"] as const)("goes out as %s, and comes back", async (to) => {
    const out = at(`${name}.${to}`);
    const back = at(`${name}-${to}-back`);
    await sinter("export", at(`${name}-run`), "--to", to, "-o", out);
    await sinter("import", out, "-o", back, "--target", "simd");
    expect(await logitsOf(back, prompt)).toEqual(await logitsOf(at(`${name}-run`), prompt));
  });
});
