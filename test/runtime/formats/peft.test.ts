/**
 * Adapters in PEFT's folder: what is written comes back bit for bit, under PEFT's names and in the order of
 * rows of the published class; what cannot be done is refused by name.
 */
import { afterAll, describe, expect, test } from "vitest";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { parameterRows } from "../../../compiler/2-check/parameters.ts";
import { isHarmless } from "../../../runtime/base/known-keys.ts";
import { writeAll } from "../../../runtime/base/files.ts";
import type { TensorPlace } from "../../../runtime/contract/manifest.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { addTo, type Adapter, type MapAdapter } from "../../../runtime/store/adapter.ts";
import { writeHeader } from "../../../runtime/store/safetensors.ts";
import { gather } from "../../../runtime/formats/architecture/gather.ts";
import type { Link } from "../../../runtime/formats/architecture/links.ts";
import { adapterKeys } from "../../../runtime/formats/keys/adapter-config.ts";
import { allFloats } from "../../../runtime/formats/kit/weights.ts";
import { readPeft } from "../../../runtime/formats/peft.ts";
import {
  ADAPTER_CONFIG,
  ADAPTER_WEIGHTS,
  peftNames,
  type PeftNames,
} from "../../../runtime/formats/peft-names.ts";
import { writePeft } from "../../../runtime/formats/peft-out.ts";
import { openSafetensors } from "../../../runtime/formats/safetensors-weights.ts";
import { root } from "../../support/paths.ts";
import { noise } from "../../../bench/measure/kernel-numbers.ts";

const layers = {
  gpt2: "x += attention(layernorm(x), bias: true)  x += mlp(layernorm(x), hidden: 20, bias: true)",
  llama: "x += attention(rmsnorm(x), rope: rope(theta: 10000))  x += swiglu(rmsnorm(x), hidden: 20)",
  own: "x += attention(rmsnorm(x))  x += mlp(rmsnorm(x), hidden: 20)", // no class has such a layer
} as const;
type Kind = keyof typeof layers;
const kinds = Object.keys(layers) as Kind[];

function namesOf(kind: Kind): PeftNames {
  const model = checkSource(`model m { vocab 32  context 16  width 16  layers 2  heads 4
    kv_heads ${kind === "llama" ? 2 : 4}  embed token${kind === "llama" ? "" : " + position"}
    layer { ${layers[kind]} }
    output linear(${kind === "gpt2" ? "layernorm" : "rmsnorm"}(x))  tokenizer characters
    train { batch 1  context 16 } }`).models[0]!;
  const tensors = parameterRows(model).flatMap(({ tensors: list, times, section }) =>
    list.map(({ name, shape }) => ({
      name,
      shape,
      storage: "parameter",
      slices: times,
      layered: section === "layer",
    })),
  );
  return peftNames(model, tensors as unknown as TensorPlace[]);
}

const RANK = 3;
const floats = (count: number, next: () => number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: count }, next);

/** Drawn adapters for all maps of a model. */
function drawn({ maps: links }: PeftNames): Adapter {
  const next = noise(7);
  const maps = links.map(({ name, shape }): [string, MapAdapter] => {
    const [K, N] = shape as [number, number];
    return [name, { shape: [K, N], rank: RANK, a: floats(K * RANK, next), b: floats(RANK * N, next) }];
  });
  return { scale: 6 / RANK, maps: new Map(maps), whole: new Map() };
}

const scratch = mkdtempSync(join(tmpdir(), "sinter-peft-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const files = nodeFiles();
let folders = 0;
async function folder(): Promise<string> {
  const path = join(scratch, `${folders++}`);
  await files.makeFolder(path);
  return path;
}

async function written(kind: Kind): Promise<{ names: PeftNames; adapter: Adapter; at: string }> {
  const names = namesOf(kind);
  const adapter = drawn(names);
  const at = await folder();
  await writePeft(files, at, adapter, { base: { name: "m", hash: "ab" }, names });
  return { names, adapter, at };
}

type Tensors = Map<string, { readonly shape: readonly number[]; readonly values: Float32Array<ArrayBuffer> }>;
async function tensorsIn(at: string, name: string = ADAPTER_WEIGHTS): Promise<Tensors> {
  const file = await openSafetensors(files, `${at}/${name}`);
  const out: Tensors = new Map();
  for (const [name, tensor] of file.tensors)
    out.set(name, { shape: tensor.shape, values: await allFloats(tensor) });
  await file.close();
  return out;
}

/** A folder of any configuration and tensors. */
async function folderOf(config: object, tensors: Tensors): Promise<string> {
  const at = await folder();
  const list = [...tensors].map(([name, { shape }]) => ({ name, dtype: "F32", shape }) as const);
  const bytes = [
    writeHeader(list, {}),
    ...[...tensors.values()].map(({ values }) => new Uint8Array(values.buffer)),
  ];
  const contents = new Map<string, Uint8Array>([
    [ADAPTER_CONFIG, new TextEncoder().encode(JSON.stringify(config))],
    [ADAPTER_WEIGHTS, new Uint8Array(Buffer.concat(bytes))],
  ]);
  await writeAll(files, at, contents);
  return at;
}

/** What PEFT adds to the published matrices, brought to where an import of these matrices would bring it. */
function published(link: Link, names: PeftNames, tensors: Tensors, scale: number): Float32Array {
  const out = new Float32Array(link.shape[0]! * link.shape[1]!);
  for (const piece of link.pieces) {
    const stem = `base_model.model.${names.moduleOf(piece)}`;
    const { values: a } = tensors.get(`${stem}.lora_A.weight`)!;
    const { values: b, shape } = tensors.get(`${stem}.lora_B.weight`)!;
    const [N, rank] = shape as [number, number];
    const K = a.length / rank;
    const delta = new Float32Array(N * K);
    for (let n = 0; n < N; n++)
      for (let k = 0; k < K; k++) {
        let sum = 0;
        for (let r = 0; r < rank; r++) sum += b[n * rank + r]! * a[r * K + k]!;
        delta[piece.transposed ? n * K + k : k * N + n] = scale * sum;
      }
    gather(link, piece, delta, out);
  }
  return out;
}

/** The largest difference between what our adapters add and what PEFT's do. */
function apart({ maps, scale }: Adapter, names: PeftNames, tensors: Tensors): number {
  const differences = names.maps.map((link) => {
    const own = addTo(new Float32Array(link.shape[0]! * link.shape[1]!), maps.get(link.name)!, scale);
    const wanted = published(link, names, tensors, scale);
    return Math.max(...own.map((value, i) => Math.abs(value - wanted[i]!)));
  });
  return Math.max(...differences);
}

describe.each(kinds)("%s", (kind) => {
  test("what is written comes back bit for bit, and adds what PEFT would", async () => {
    const { names, adapter, at } = await written(kind);
    const read = await readPeft(files, at, names);
    expect(read.base).toBe("ab");
    expect(read.adapter.scale).toBe(adapter.scale);
    expect([...read.adapter.maps]).toEqual([...adapter.maps]);
    expect(apart(adapter, names, await tensorsIn(at))).toBeLessThan(1e-5);
  });

  test("maps that are one here may have different A, or none", async () => {
    const { names, at } = await written(kind);
    const tensors = await tensorsIn(at);
    const next = noise(3);
    for (const [name, { values }] of tensors)
      if (name.endsWith("lora_A.weight")) values.set(values.map(next));
    const config = { peft_type: "LORA", r: RANK, lora_alpha: 6 };
    const { adapter } = await readPeft(files, await folderOf(config, tensors), names);
    expect(adapter.maps.get("layers.1.attention.qkv.weight")!.rank).toBe(kind === "llama" ? 3 * RANK : RANK);
    expect(apart(adapter, names, tensors)).toBeLessThan(1e-5);
    const [first] = [...tensors.keys()].filter((name) => name.endsWith("lora_A.weight"));
    for (const which of ["A", "B"]) tensors.delete(first!.replace("lora_A", `lora_${which}`));
    const fewer = await readPeft(files, await folderOf(config, tensors), names);
    const qkv = fewer.adapter.maps.get("layers.0.attention.qkv.weight");
    expect(qkv?.rank).toBe(kind === "llama" ? 2 * RANK : undefined);
  });
});

test("names are PEFT's, with those of the published class", async () => {
  const first = async (kind: Kind): Promise<string[]> => {
    const names = [...(await tensorsIn((await written(kind)).at)).keys()];
    return names.filter((name) => /\.0\..*lora_A/.test(name));
  };
  expect(await first("gpt2")).toEqual([
    "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight",
    "base_model.model.transformer.h.0.attn.c_proj.lora_A.weight",
    "base_model.model.transformer.h.0.mlp.c_fc.lora_A.weight",
    "base_model.model.transformer.h.0.mlp.c_proj.lora_A.weight",
  ]);
  expect((await first("llama")).slice(0, 4)).toEqual([
    "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
    "base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight",
    "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight",
    "base_model.model.model.layers.0.self_attn.o_proj.lora_A.weight",
  ]);
  expect(await first("own")).toContain("base_model.model.layers.0.attention.qkv.lora_A.weight");
});

/** test/parity/peft.py has made them. */
describe.each([
  ["gpt2", "gpt2", 4],
  ["llama", "llama", 6], // queries and values, each with an A of its own; none for keys
  ["llama", "llama-grown", 6],
] as const)("%s: the folder %s of PEFT 0.21", (kind, name, rank) => {
  const at = join(root, "test/parity/fixtures", `peft-${name}`);
  const names = namesOf(kind);

  test("adds to each matrix what PEFT adds", async () => {
    const { adapter, notes } = await readPeft(files, at, names);
    expect(notes).toEqual([]); // every key of the configuration is known
    const added = await tensorsIn(at, "added.safetensors");
    let seen = 0;
    for (const link of names.maps) {
      const size = link.shape[0]! * link.shape[1]!;
      const wanted = new Float32Array(size);
      for (const piece of link.pieces) {
        const delta = added.get(`${names.moduleOf(piece)}.weight`);
        if (delta) gather(link, piece, delta.values, wanted);
        seen += delta ? 1 : 0;
      }
      const map = adapter.maps.get(link.name);
      const own = map ? addTo(new Float32Array(size), map, adapter.scale) : new Float32Array(size);
      expect(Math.max(...own.map((value, i) => Math.abs(value - wanted[i]!))), link.name).toBeLessThan(1e-6);
    }
    expect(seen).toBe(added.size);
    expect(adapter.maps.get("layers.0.attention.qkv.weight")!.rank).toBe(rank);
  });

  test("and brings the tables that were trained whole", async () => {
    const { adapter } = await readPeft(files, at, names);
    const tables = name === "llama-grown" ? ["output.linear.weight", "token_embedding.weight"] : [];
    expect([...adapter.whole.keys()].toSorted()).toEqual(tables);
    const stored = (await tensorsIn(at)).get("base_model.model.model.embed_tokens.weight");
    expect(adapter.whole.get("token_embedding.weight")?.values).toEqual(stored?.values);
  });
});

describe("what cannot be done is refused by name", async () => {
  const { names, at } = await written("llama");
  const tensors = await tensorsIn(at);
  const plain = { peft_type: "LORA", r: RANK, lora_alpha: 6 };
  const reading = async (config: object, more: Tensors = tensors) =>
    readPeft(files, await folderOf({ ...plain, ...config }, more), names);

  const refused = Object.entries(adapterKeys).filter(([, key]) => key.effect === "refused");
  test.each(refused)("%s", async (key, entry) => {
    if (entry.effect !== "refused") throw new Error("not in the list");
    expect(isHarmless(entry, entry.another)).toBe(false);
    await expect(reading({ [key]: entry.another })).rejects.toThrow(key);
    await reading({ [key]: null });
  });

  test("another kind, ranks that do not fit, keys that nobody knows", async () => {
    await expect(reading({ peft_type: "IA3" })).rejects.toThrow("peft_type");
    await expect(reading({ r: 5 })).rejects.toThrow("it has [5,16]");
    expect((await reading({ use_rslora: true })).adapter.scale).toBe(6 / Math.sqrt(RANK));
    expect((await reading({ nobody: 1 })).notes.join()).toContain("nobody");
  });

  const withOne = (name: string): Tensors => new Map([...tensors, [name, tensors.values().next().value!]]);
  test("modules that the model does not have, and those of tables", async () => {
    const unknown = "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight";
    await expect(reading({}, withOne(unknown))).rejects.toThrow(unknown.slice(0, 60));
    const magnitudes = "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector";
    await expect(reading({}, withOne(magnitudes))).rejects.toThrow(magnitudes.slice(0, 60));
    const table = "base_model.model.model.embed_tokens.lora_embedding_A";
    await expect(reading({}, withOne(table))).rejects.toThrow("an adapter of the token table");
    const half = new Map(tensors);
    half.delete("base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight");
    await expect(reading({}, half)).rejects.toThrow("and not the other");
    await expect(reading({}, new Map())).rejects.toThrow("it has no adapter");
  });
});
