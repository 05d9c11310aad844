/**
 * Small relatives of Llama, trained here: which class each goes out as, that it comes back unchanged, and
 * that other programs compute the same from it.
 */
import { likeliestToken } from "../../../runtime/sample/logprobs.ts";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openGguf } from "../../../runtime/formats/gguf/gguf.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { run, sinter, trainSmall } from "../../support/command-line.ts";
import { llamaCppGreedy, llamaCppHere, withoutLlamaCpp } from "../../../app/studies/ask-llama-cpp.ts";
import { logitsOf, parametersOf } from "./models.ts";
import { torchHere, torchLogits, withoutTorch } from "./torch.ts";
import { llama3Rope } from "../../support/small-models.ts";

const scratch = mkdtempSync(join(tmpdir(), "sinter-architectures-"));
const at = (name: string): string => join(scratch, name);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Relative {
  readonly attention: string;
  readonly sizes?: string;
  readonly ffn?: string;
  readonly eps?: string;
  readonly tied?: boolean;
  /** The class that it goes out as. */
  readonly hf: string;
  readonly gguf: string;
  /** Keys of config.json that other programs read. */
  readonly config: Readonly<Record<string, unknown>>;
}

const SCALED = llama3Rope(32);
const relatives = {
  "llama3.2": {
    attention: SCALED,
    sizes: "head_dim 32",
    tied: true,
    hf: "llama",
    gguf: "llama",
    config: {
      rope_scaling: {
        rope_type: "llama3",
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
      head_dim: 32,
      attention_bias: false,
      tie_word_embeddings: true,
    },
  },
  linear: {
    attention: "rope: rope(theta: 10000, linear: 4)",
    hf: "llama",
    gguf: "llama",
    config: { rope_scaling: { rope_type: "linear", factor: 4 } },
  },
  biased: {
    attention: "rope: rope(theta: 10000), bias: true",
    ffn: "bias: true",
    hf: "llama",
    gguf: "llama",
    config: { attention_bias: true, mlp_bias: true },
  },
  qwen2: {
    attention: "rope: rope(theta: 1000000), bias: true, out_bias: false",
    eps: "1e-6",
    tied: true,
    hf: "qwen2",
    gguf: "qwen2",
    config: {
      use_sliding_window: false,
      rope_theta: 1000000,
      rms_norm_eps: 1e-6,
      architectures: ["Qwen2ForCausalLM"],
    },
  },
  "qwen2-scaled": {
    attention: `${SCALED}, bias: true, out_bias: false`,
    hf: "qwen2",
    gguf: "llama",
    config: { use_sliding_window: false },
  },
  qwen3: {
    attention: "rope: rope(theta: 1000000), qk_norm: rmsnorm()",
    sizes: "head_dim 32",
    eps: "1e-6",
    hf: "qwen3",
    gguf: "qwen3",
    config: {
      head_dim: 32,
      attention_bias: false,
      use_sliding_window: false,
      architectures: ["Qwen3ForCausalLM"],
    },
  },
  mistral: {
    attention: "rope: rope(theta: 10000), window: 7",
    hf: "mistral",
    gguf: "granite_swa",
    config: { sliding_window: 7, architectures: ["MistralForCausalLM"] },
  },
  alternating: {
    attention: "rope: rope(theta: 10000), bias: true, out_bias: false",
    sizes: "band 5",
    hf: "qwen2",
    gguf: "granite_swa",
    config: {
      use_sliding_window: true,
      sliding_window: 5,
      layer_types: ["full_attention", "sliding_attention", "full_attention"],
    },
  },
} as const satisfies Record<string, Relative>;
type Name = keyof typeof relatives;
const names = Object.keys(relatives) as Name[];

function spec(name: Name): string {
  const { attention, sizes = "", ffn, eps = "1e-5", tied = false }: Relative = relatives[name];
  const norm = `rmsnorm(x, eps: ${eps})`;
  const layers = name === "alternating" ? "3 alternate dense, banded" : "2";
  return `model ${name} {
    vocab 256  context 32  width 64  layers ${layers}  heads 4  kv_heads 2  ${sizes}
    embed token
    layer { x += attention(${norm}, ${attention})  x += swiglu(${norm}, hidden: 96${ffn ? `, ${ffn}` : ""}) }
    output linear(${norm}, tied: ${tied})
    tokenizer bytes
    train { batch 2  context 24  steps 12  lr 3e-2  warmup 0 }
  }`;
}

beforeAll(async () => {
  for (const name of names) {
    writeFileSync(at(`${name}.sinter`), spec(name));
    await trainSmall(at(`${name}.sinter`), at(name));
  }
});

const exported = async (name: Name, to: "hf" | "gguf"): Promise<string> => {
  const out = at(`${name}.${to}`);
  await sinter("export", at(name), "--to", to, "--force", "-o", out);
  return out;
};

const prompt = [...new TextEncoder().encode("To be, or not to be: that")];

describe.each(names)("%s", (name) => {
  const { hf, gguf, config }: Relative = relatives[name];

  it("goes out as its class", async () => {
    expect(JSON.parse(readFileSync(join(await exported(name, "hf"), "config.json"), "utf8"))).toMatchObject({
      model_type: hf,
      ...config,
    });
    const file = await openGguf(nodeFiles(), await exported(name, "gguf"));
    expect(file.metadata.get("general.architecture")).toBe(gguf);
    await file.close();
  });

  it.each(["hf", "gguf"] as const)("comes back from %s with every number, and says the same", async (to) => {
    const back = at(`${name}-${to}-back`);
    const was = await parametersOf(at(name));
    await sinter("import", await exported(name, to), "-o", back, "--target", "simd");
    const is = await parametersOf(back);
    expect([...is.keys()].toSorted()).toEqual([...was.keys()].toSorted());
    for (const [key, values] of was) expect(is.get(key), key).toEqual(values);
    expect(await logitsOf(back, prompt)).toEqual(await logitsOf(at(name), prompt));
  });

  it.skipIf(!torchHere)(`PyTorch computes the same logits ${withoutTorch}`, async () => {
    const theirs = torchLogits(await exported(name, "hf"), prompt);
    const ours = await logitsOf(at(name), prompt);
    expect(theirs.length).toBe(prompt.length);
    theirs.forEach((row, i) =>
      row.forEach((x, k) => expect(Math.abs(x - ours[i]![k]!), `${i}, ${k}`).toBeLessThan(1e-4)),
    );
  });

  it.skipIf(!llamaCppHere)(
    `llama.cpp computes the same logits, and takes the same greedy tokens ${withoutLlamaCpp}`,
    async () => {
      const theirs = llamaCppGreedy(await exported(name, "gguf"), prompt.slice(0, 12), 18, at("logits"));
      const ours = (await logitsOf(at(name), [...prompt.slice(0, 12), ...theirs.ids.slice(0, -1)])).slice(11);
      theirs.logits.forEach((row, i) =>
        row.forEach((x, k) => expect(Math.abs(x - ours[i]![k]!), `${i}, ${k}`).toBeLessThan(1e-3)),
      );
      expect(ours.map(likeliestToken)).toEqual(theirs.ids);
    },
  );
});

describe("what has no class", () => {
  const refused = async (change: (text: string) => string, to: "hf" | "gguf"): Promise<string> => {
    writeFileSync(
      at("odd.sinter"),
      change(spec("qwen3")).replace("model qwen3", "model odd").replace("steps 12", "steps 1"),
    );
    rmSync(at("odd"), { recursive: true, force: true });
    await sinter("train", at("odd.sinter"), "--out", at("odd"), "--workers", "1", "--target", "simd");
    const { code, err } = await run("export", at("odd"), "--to", to, "-o", at(`odd-${to}`));
    expect(code).toBe(1);
    return err;
  };
  it("is refused, class by class", async () => {
    expect(
      await refused((text) => text.replace("qk_norm: rmsnorm()", "qk_norm: rmsnorm(), window: 7"), "gguf"),
    ).toMatch(
      /odd: no class of GGUF is like it[^]*qwen2: it normalises queries and keys; llama: [^]*qwen3: its attention sees 7 positions of 32; granite_swa: it normalises/,
    );
    expect(
      await refused((text) => text.replace("qk_norm: rmsnorm()", "qk_norm: rmsnorm(eps: 1e-3)"), "hf"),
    ).toMatch(/qwen3: it normalises queries and keys with an epsilon of 0.001/);
    expect(
      await refused((text) => text.replace(", qk_norm: rmsnorm()", "").replace("swiglu", "geglu"), "gguf"),
    ).toMatch(/llama: its gate goes through gelu_tanh/);
    expect(await refused((text) => text.replace("embed token", "embed token + position"), "hf")).toMatch(
      /it has learned positions and rmsnorm/,
    );
    expect(await refused((text) => text.replace("embed token", "embed rmsnorm(token)"), "hf")).toMatch(
      /odd: its embedding has a norm \(rmsnorm\), so no published format/,
    );
    expect(await refused((text) => text.replace("embed token", "embed layernorm(token)"), "gguf")).toMatch(
      /odd: its embedding has a norm \(layernorm\), so no published format/,
    );
  });

  it("is not read", async () => {
    const folder = await exported("qwen2", "hf");
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as object;
    writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, model_type: "gemma2" }));
    expect(await run("import", folder, "-o", at("gemma"))).toMatchObject({
      code: 1,
      err: expect.stringContaining("Gemma's norms multiply by 1 + weight") as unknown,
    });
    writeFileSync(
      join(folder, "config.json"),
      JSON.stringify({
        ...config,
        use_sliding_window: true,
        sliding_window: 4,
        layer_types: ["full_attention"],
      }),
    );
    expect(await run("import", folder, "-o", at("layers"))).toMatchObject({
      code: 3,
      err: expect.stringContaining("layer_types names 1 of 2 layers") as unknown,
    });
  });
});
