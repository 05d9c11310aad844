/**
 * Feeds every key of GGUF's tables to the reader: it counts, is refused by name, or changes nothing, as its
 * table says.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat } from "../../../runtime/base/bytes.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Architecture } from "../../../runtime/formats/architecture/architecture.ts";
import { ggufPairs } from "../../../runtime/formats/gguf/gguf-config.ts";
import type { Scalar } from "../../../runtime/formats/gguf/gguf-header.ts";
import {
  bool,
  f32,
  ggufHeader,
  list,
  paddingAfter,
  tensorBytes,
  text,
  u32,
  type GgufTensorToWrite,
  type PairToWrite,
} from "../../../runtime/formats/gguf/gguf-write.ts";
import { ggufKeys, ggufTable, type GgufType } from "../../../runtime/formats/keys/gguf-model.ts";
import { isHarmless } from "../../../runtime/base/known-keys.ts";
import { openPublished } from "../../../runtime/formats/published.ts";
import { memoryFiles } from "../../support/memory-files.ts";
import { tinyGguf, tinyLlama } from "../../support/small-models.ts";

const { layers, width, heads, context, hidden } = tinyLlama;
const types = Object.keys(ggufKeys).filter((name): name is GgufType => name !== "general");

/** A pair for any value, with the type that a writer would choose. */
function pairOf(key: string, value: unknown): PairToWrite {
  if (typeof value === "string") return text(key, value);
  if (typeof value === "boolean") return bool(key, value);
  if (typeof value === "number")
    return Number.isInteger(value) && value >= 0 ? u32(key, value) : f32(key, value);
  const values = value as readonly Scalar[];
  const [first] = values;
  return list(
    key,
    typeof first === "string" ? "string" : typeof first === "boolean" ? "bool" : "i32",
    values,
  );
}

type Metadata = Readonly<Record<string, unknown>>;

const own = (type: GgufType): Metadata => {
  const eps = type === "gpt2" ? "layer_norm_epsilon" : "layer_norm_rms_epsilon";
  const pairs = {
    block_count: layers,
    embedding_length: width,
    context_length: context,
    feed_forward_length: hidden,
    "attention.head_count": heads,
    "attention.head_count_kv": type === "gpt2" ? heads : 2,
    [`attention.${eps}`]: 0.5,
    ...(type === "granite_swa"
      ? { "attention.sliding_window": 5, "attention.sliding_window_pattern": [false, true] }
      : {}),
  };
  return {
    "general.architecture": type,
    ...Object.fromEntries(Object.entries(pairs).map(([key, value]) => [`${type}.${key}`, value])),
  };
};

const tensors: readonly GgufTensorToWrite[] = [
  { name: "token_embd.weight", type: "F32", shape: [6, width] },
  { name: "output_norm.weight", type: "F32", shape: [width] },
];

function fileOf(
  metadata: Metadata | readonly PairToWrite[],
  list: readonly GgufTensorToWrite[] = tensors,
): Uint8Array {
  const pairs = Array.isArray(metadata)
    ? (metadata as readonly PairToWrite[])
    : Object.entries(metadata).map(([key, value]) => pairOf(key, value));
  return concat([
    ggufHeader(pairs, list),
    ...list.flatMap((t) => [new Uint8Array(tensorBytes(t)), new Uint8Array(paddingAfter(tensorBytes(t)))]),
  ]);
}

/** Keys whose other value contradicts the rest of the file: the message names the rest. */
const saidOtherwise = /^split|^llama.expert_count$|^granite_swa.block_count$/;

interface Read {
  readonly architecture: Architecture;
  readonly notes: readonly string[];
}

async function open(bytes: Uint8Array): Promise<Read | SinterError> {
  const files = memoryFiles({ "m.gguf": bytes });
  try {
    const { architecture, notes, file } = await openPublished(files, "m.gguf");
    await file.close();
    return { architecture, notes };
  } catch (error) {
    expect(error).toBeInstanceOf(SinterError);
    return error as SinterError;
  } finally {
    expect(files.open_).toBe(0);
  }
}
const read = (metadata: Metadata): Promise<Read | SinterError> => open(fileOf(metadata));

describe.each(types)("GGUF of %s", (type) => {
  const base = own(type);
  const table = ggufTable(type);
  const entries = Object.entries(table);
  const without = (...keys: readonly string[]): Metadata =>
    Object.fromEntries(Object.entries(base).filter(([key]) => !keys.includes(key)));

  it("is read, and nothing of it is unknown", async () =>
    expect(await read(base)).toMatchObject({ architecture: { layers }, notes: [] }));

  const readKeys = entries.flatMap(([key, known]) =>
    known.effect === "read" ? [[key, known.another] as const] : [],
  );
  it.each(readKeys)("%s counts", async (key, another) => {
    const before = await read(base);
    const after = await read({ ...base, [key]: another });
    expect(before).not.toBeInstanceOf(SinterError);
    // the second key needs the first: a share of four experts
    if (key.endsWith("expert_used_count") && type === "llama")
      expect(await read({ ...base, "llama.expert_count": 4, [key]: 1 })).toMatchObject({
        architecture: { experts: { count: 4, top: 1 } },
      });
    if (key.endsWith(".expert_feed_forward_length") && type === "llama")
      expect(
        await read({ ...base, "llama.expert_count": 4, "llama.expert_used_count": 2, [key]: another }),
      ).toMatchObject({ message: expect.stringContaining(key) as unknown });
    else if (!key.startsWith("split.") && !key.endsWith(".expert_feed_forward_length"))
      expect(after).not.toEqual(before);
    if (after instanceof SinterError && !saidOtherwise.test(key)) expect(after.message).toContain(key);
  });

  const refusedKeys = entries.flatMap(([key, known]) =>
    known.effect === "refused" ? [[key.replaceAll("*", "x"), known] as const] : [],
  );
  it.each(refusedKeys)("%s is refused by name, but where it changes nothing", async (key, known) => {
    const refusal = await read({ ...base, [key]: known.another });
    expect(refusal).toMatchObject({
      kind: "input",
      message: expect.stringMatching(`^m.gguf: ${key} is .*: ${known.why.replace(/[()]/g, ".")}`) as unknown,
      hint: known.help,
    });
    for (const value of Array.isArray(known.harmless) ? (known.harmless as unknown[]) : [])
      expect(await read({ ...base, [key]: value })).toEqual(await read(base));
    for (const value of ["x", 77, [7, 8]])
      if (!isHarmless(known, value))
        expect(await read({ ...base, [key]: value }), `${key} ${value}`).toBeInstanceOf(SinterError);
  });

  it("the others change nothing, and are not called unknown", async () => {
    const idle = entries
      .filter(([, known]) => known.effect === "none")
      .map(([key]) => key.replaceAll("*", ".7.x"));
    const before = await read(base);
    for (const key of idle)
      for (const value of [0, 7, 0.25, true, "x", ["a", "b"]])
        expect(await read({ ...base, [key]: value }), key).toEqual(before);
    expect(idle.length).toBeGreaterThan(20);
  });

  it("what is in no list is named in one line", async () => {
    expect(
      await read({ ...base, surprise: 1, [`${type}.attention.novelty`]: 2, "other.block_count": 3 }),
    ).toMatchObject({
      notes: [
        `m.gguf has keys that are not known here, and are ignored: surprise, ${type}.attention.novelty, ` +
          "other.block_count",
      ],
    });
  });

  it("wrong types and numbers that are none are refused by name", async () => {
    for (const key of ["block_count", "embedding_length", "context_length", "attention.head_count"].map(
      (name) => `${type}.${name}`,
    )) {
      for (const value of ["8", true, -8, 8.5, NaN, Infinity, [8, 8, 8]])
        expect(await read({ ...base, [key]: value }), `${key} ${value}`).toMatchObject({
          message: expect.stringContaining(key) as unknown,
        });
      expect(await read(without(key)), key).toMatchObject({
        message: expect.stringMatching(`${key} is undefined; a number`) as unknown,
      });
    }
  });

  it("a number for each layer is read where they are all alike", async () => {
    const [key, value] = [`${type}.attention.head_count`, heads];
    expect(await read({ ...base, [key]: [value, value] })).toEqual(await read(base));
    expect(await read({ ...base, [key]: [value, 2] })).toMatchObject({
      kind: "input",
      message: `m.gguf: ${key} is 4 in one layer and 2 in another`,
    });
  });
});

describe("changed at random", () => {
  const value = fc.oneof(
    fc.integer({ min: 0, max: 70 }),
    fc.double(),
    fc.constantFrom(2 ** 31, 2 ** 32 - 1, 1e9),
    fc.boolean(),
    fc.string(),
    fc.array(fc.integer({ min: -2, max: 9 }), { maxLength: 20 }),
    fc.array(fc.boolean(), { maxLength: 3 }),
  );
  it.each(types)("%s: an architecture, or a reason", async (type) => {
    const keys = fc.constantFrom(...Object.keys(ggufTable(type)).map((key) => key.replaceAll("*", "x")));
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(keys, value, { maxKeys: 5 }),
        async (changes) => void (await read({ ...own(type), ...changes })),
      ),
      { numRuns: 600 },
    );
  });
});

describe("rope's linear scaling", () => {
  const base = own("llama");
  const rope = async (more: Metadata): Promise<unknown> => {
    const found = await read({ ...base, ...more });
    return found instanceof SinterError ? found.message : found.architecture.rope;
  };
  const factor = "llama.rope.scaling.factor";
  const older = "llama.rope.scale_linear";
  const kind = "llama.rope.scaling.type";
  it("has two keys, and a type that switches it off", async () => {
    expect(await rope({ [older]: 4 })).toEqual({ theta: 10000, linear: 4 });
    expect(await rope({ [factor]: 4 })).toEqual({ theta: 10000, linear: 4 });
    expect(await rope({ [factor]: 2.1, [kind]: "linear" })).toEqual({ theta: 10000, linear: 2.1 });
    expect(await rope({ [factor]: 4, [older]: 4 })).toEqual({ theta: 10000, linear: 4 });
    expect(await rope({ [factor]: 4, [kind]: "none" })).toEqual({ theta: 10000 });
    for (const nothing of [0, 1]) expect(await rope({ [older]: nothing })).toEqual({ theta: 10000 });
  });
  it("is refused where two places disagree, or where it is none", async () => {
    expect(await rope({ [factor]: 4, [older]: 2 })).toBe(
      "m.gguf: llama.rope.scale_linear is 2: rope.scaling.factor is 4",
    );
    for (const type of ["yarn", "longrope", "dynamic"])
      expect(await rope({ [factor]: 4, [kind]: type })).toBe(
        `m.gguf: llama.rope.scaling.type is "${type}": its rotary embedding is scaled in another way`,
      );
    expect(await rope({ [factor]: 0.5 })).toMatch(
      /llama.rope.scaling.factor is 0.5; a number from 1 on was expected/,
    );
  });
});

describe("what goes out", () => {
  /** Keys that are asked for only where another is missing, or that concern the reader alone. */
  const spared = new RegExp(
    [
      "^split",
      "^sinter.rope",
      "general.alignment",
      "scale_linear",
      "attention.scale$",
      "expert_feed_forward_length",
      "gpt2.attention.(head_count_kv|key_length|value_length)",
    ].join("|"),
  );
  it("no key that counts is left to a default", () => {
    for (const type of types) {
      const written = new Set(
        Object.values(tinyGguf).flatMap(([as, a]) =>
          as === type ? ggufPairs(a, type, 0).map(({ key }) => key) : [],
        ),
      );
      const ofLlama = new Set(
        type === "llama" || type === "gpt2"
          ? []
          : ["expert_count", "expert_used_count", "rope.scaling.type", "rope.scaling.factor"].map(
              (key) => `${type}.${key}`,
            ),
      );
      const read = Object.entries(ggufTable(type))
        .filter(([key, known]) => known.effect === "read" && !spared.test(key) && !ofLlama.has(key))
        .map(([key]) => key);
      const noWindow =
        type === "granite_swa" ? read : read.filter((key) => !key.endsWith("attention.sliding_window"));
      expect(
        noWindow.filter((key) => !written.has(key)),
        type,
      ).toEqual([]);
    }
  });
  it.each(Object.entries(tinyGguf))("%s comes back as the same architecture", async (_, [type, was]) => {
    const found = await open(fileOf(ggufPairs(was, type, 0)));
    expect(found).toMatchObject({ notes: [] });
    expect(JSON.parse(JSON.stringify((found as Read).architecture))).toEqual(JSON.parse(JSON.stringify(was)));
  });
});
