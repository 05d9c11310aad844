/**
 * Attention against its f64 references, the references against finite differences, and the cached form
 * against the uncached one.
 */
import { describe, expect, it } from "vitest";
import { attention } from "../../../compiler/ops/attention/attention.ts";
import { attention_backward } from "../../../compiler/ops/attention/attention_backward.ts";
import { attention_cached } from "../../../compiler/ops/attention/attention_cached.ts";
import { cacheShapes } from "../../../compiler/ops/attention/kit/cache-layout.ts";
import { cachedPositions } from "../../../compiler/ops/attention/kit/cached-kernel.ts";
import { type Case, type Op } from "../../../compiler/ops/kit/op.ts";
import { shapeOf } from "../../../compiler/ops/kit/signature.ts";
import { tensorBytes } from "../../../runtime/contract/tensor-layout.ts";
import { targets, type Target } from "../../../runtime/contract/targets.ts";
import { kernelBench, kernelBenches } from "../../../bench/measure/kernel-bench.ts";
import { elements, inputsFor, referenceOutputs } from "../../../bench/measure/kernel-numbers.ts";

type Tensors = Record<string, Float64Array>;
interface Config {
  readonly batch: number;
  readonly T: number;
  readonly heads: number;
  readonly kv: number;
  readonly D: number;
  readonly causal?: boolean;
  /** Positions that a query sees: a constant of the kernel, or what a tensor says. */
  readonly window?: number;
  readonly byTensor?: boolean;
  /** Rows of a sequence at which documents begin; the first is 0. */
  readonly documents?: readonly number[];
}

const config = (batch: number, T: number, heads: number, kv: number, D: number, causal = true): Config => ({
  batch,
  T,
  heads,
  kv,
  D,
  causal,
});
const windowed = (window: number, cfg: Config, byTensor = false): Config => ({ ...cfg, window, byTensor });
const packed = (documents: readonly number[], cfg: Config): Config => ({ ...cfg, documents });
function show({ batch, T, heads, kv, D, causal, window, byTensor, documents }: Config): string {
  const apart = documents ? `, documents at ${documents.join(" ")}` : "";
  const seen = `${window ? `, window ${window}${byTensor ? " by tensor" : ""}` : ""}${apart}`;
  const direction = causal === false ? ", not causal" : "";
  return `batch ${batch}, T ${T}, ${heads}/${kv} heads of ${D}${direction}${seen}`;
}
/** By tensor, the constant is only a stand-in. */
const windowAttr = ({ window = 0, byTensor }: Config): { window: number } => ({
  window: byTensor ? 1 : window,
});
const caseOf = (cfg: Config, lse = true): Case => {
  const { batch, T, heads, kv, D, causal = true, byTensor, documents } = cfg;
  return {
    d: { R: batch * T, Q: (heads + 2 * kv) * D, O: heads * D, H: heads, Z: 1 },
    attrs: { heads, kv_heads: kv, head_dim: D, context: T, causal, ...windowAttr(cfg) },
    with: [...(lse ? ["lse"] : []), ...(byTensor ? ["window"] : []), ...(documents ? ["documents"] : [])],
  };
};
/** With the window's tensor, and that of documents, where the case has one. */
const withWindow = ({ window, byTensor, documents, batch, T }: Config, inputs: Tensors): Tensors => ({
  ...inputs,
  ...(byTensor && { window: Float64Array.of(window!) }),
  ...(documents && {
    documents: Float64Array.from({ length: batch * T }, (_, r) =>
      documents.findLast((start) => start <= r % T)!,
    ),
  }),
});
const cachedCase = (rows: number, positions: number, cfg: Config): Case => {
  const { heads, kv, D } = cfg;
  const shapes = cacheShapes(1, positions, kv, D);
  const [A, N, G, , L] = shapes.keys as number[];
  const E = shapes.values[3]!;
  return {
    d: { R: rows, Q: (heads + 2 * kv) * D, O: heads * D, A: A!, S: 1, G: G!, N: N!, D, L: L!, E },
    attrs: { heads, kv_heads: kv, head_dim: D, ...windowAttr(cfg) },
    with: cfg.byTensor ? ["window"] : [],
  };
};

/** The only span of a run. */
const spanOf = (start: number, rows: number): Float64Array => Float64Array.of(0, start, 0, rows);

/** NMSE ≤ 1e-7 and |d| ≤ 1e-5 + 1e-4 · |ref|. */
function expectClose(got: Float64Array, want: Float64Array, what: string): void {
  let error = 0;
  let power = 0;
  for (let i = 0; i < want.length; i++) {
    const d = Math.abs(got[i]! - want[i]!);
    if (!(d <= 1e-5 + 1e-4 * Math.abs(want[i]!))) expect.fail(`${what}[${i}] is ${got[i]}, not ${want[i]}`);
    error += d * d;
    power += want[i]! ** 2;
  }
  expect(error, what).toBeLessThanOrEqual(1e-7 * power);
}

/**
 * Inputs of the backward: what a forward would have left. `loud` scales q so that scores reach about ±100.
 */
function backwardInputs(c: Case, cfg: Config, change: (inputs: Tensors) => Tensors = (t) => t): Tensors {
  const { qkv } = change(inputsFor(attention, c)) as { qkv: Float64Array };
  const { out, lse } = referenceOutputs(attention, c, withWindow(cfg, { qkv }));
  return {
    ...withWindow(cfg, inputsFor(attention_backward, c, 7)),
    qkv,
    out: out!.map(Math.fround),
    lse: lse!.map(Math.fround),
  };
}

async function checkForward(configs: readonly Config[], target: Target): Promise<void> {
  const cases = configs.map((cfg) => caseOf(cfg));
  const benches = await kernelBenches("attention", attention, cases, target);
  for (const [i, c] of cases.entries()) {
    const inputs = withWindow(configs[i]!, inputsFor(attention, c));
    const want = referenceOutputs(attention, c, inputs);
    const got = benches[i]!.run(inputs);
    for (const name of ["out", "lse"]) expectClose(got[name]!, want[name]!, `${show(configs[i]!)}: ${name}`);
  }
}

async function checkBackward(configs: readonly Config[], target: Target): Promise<void> {
  const cases = configs.map((cfg) => caseOf(cfg));
  const benches = await kernelBenches("attention_backward", attention_backward, cases, target);
  for (const [i, c] of cases.entries()) {
    const inputs = backwardInputs(c, configs[i]!);
    expectClose(
      benches[i]!.run(inputs)["d_qkv"]!,
      referenceOutputs(attention_backward, c, inputs)["d_qkv"]!,
      `${show(configs[i]!)}: d_qkv`,
    );
  }
}

const typical = [
  config(2, 64, 4, 4, 32),
  config(1, 17, 4, 2, 8),
  config(1, 65, 2, 1, 5),
  config(2, 100, 1, 1, 64),
];
const awkward = [
  config(1, 1, 1, 1, 1),
  config(2, 2, 2, 1, 6),
  config(3, 3, 2, 2, 5),
  config(1, 4, 4, 1, 8),
  config(2, 5, 2, 2, 16),
  config(1, 6, 2, 1, 8),
  config(1, 7, 2, 2, 6),
  config(2, 8, 2, 1, 5),
  config(1, 13, 3, 1, 12),
  config(2, 16, 2, 2, 8),
  config(2, 33, 3, 3, 96),
  config(1, 33, 2, 1, 128),
  config(1, 49, 1, 1, 32),
  config(1, 200, 6, 2, 16),
  config(1, 256, 2, 2, 64),
  config(1, 1024, 1, 1, 8),
  config(2, 20, 2, 2, 6, false),
  config(1, 64, 4, 1, 32, false),
  config(1, 400, 1, 1, 16, false),
  config(1, 389, 2, 1, 6),
  config(2, 7, 1, 1, 3, false),
];
/**
 * Bands narrower than a tile, than a block of keys, wider than one, wider than all; sequences of one block of
 * keys and of several.
 */
const banded = [
  windowed(1, config(2, 5, 2, 1, 4)),
  windowed(2, config(1, 33, 2, 2, 8)),
  windowed(5, config(1, 64, 4, 2, 32)),
  windowed(7, config(2, 100, 2, 1, 5)),
  windowed(16, config(1, 100, 1, 1, 64)),
  windowed(17, config(1, 389, 2, 1, 6)),
  windowed(48, config(1, 500, 1, 1, 16)),
  windowed(100, config(1, 500, 2, 1, 16)),
  windowed(250, config(1, 600, 1, 1, 8)),
  windowed(449, config(1, 900, 1, 1, 8)),
  windowed(400, config(1, 200, 2, 1, 12)),
  windowed(9, config(1, 70, 2, 1, 8), true),
  windowed(130, config(1, 777, 1, 1, 8), true),
  windowed(1 << 30, config(1, 500, 2, 1, 8), true),
];
/** Documents side by side, each of which sees itself alone. */
const documents = [
  packed([0, 1, 2, 7, 8, 30], config(2, 33, 4, 2, 8)),
  packed([0, 40], config(1, 64, 2, 2, 32)),
  packed([0, 47, 48, 49, 95], config(1, 100, 2, 1, 5)),
  packed([0, 96, 97, 192, 384], config(1, 500, 2, 1, 16)),
  packed([0, 5, 390, 401], config(1, 777, 1, 1, 8)),
  packed([0, 100, 150, 600], config(1, 900, 2, 2, 64)),
  windowed(20, packed([0, 50, 60, 200], config(1, 300, 2, 1, 8))),
  windowed(130, packed([0, 33, 500], config(1, 600, 1, 1, 12)), true),
];
const MANY = 60_000; // ms: dozens of kernels are compiled

/** All sizes on `wide`, some of them on the other targets. */
function onAllTargets(check: (cfgs: readonly Config[], target: Target) => Promise<void>): void {
  for (const target of targets)
    it(
      `equals its reference: ${target}`,
      () => check(target === "wide" ? [...typical, ...awkward] : typical, target),
      MANY,
    );
  for (const target of targets)
    it(
      `sees its own document only: ${target}`,
      () => check(target === "wide" ? documents : documents.slice(0, 4), target),
      MANY,
    );
  for (const target of targets)
    it(
      `sees a band only: ${target}`,
      () => check(target === "wide" ? banded : banded.slice(3, 7), target),
      MANY,
    );
}

describe("attention", () => {
  onAllTargets(checkForward);

  it("keeps its head with scores of 90 to 100 and of ±1000", async () => {
    for (const loud of [95, 1000]) {
      const cfg = config(1, 70, 1, 1, 16);
      const c = caseOf(cfg);
      const inputs = inputsFor(attention, c);
      const Q = c.d["Q"]!;
      // column 0 alone makes the score: q = loud · 4, k = 1 ± 0.05
      inputs["qkv"] = inputs["qkv"]!.map((v, i) =>
        Math.fround(i % Q === 0 ? loud * 4 : i % Q === 16 ? 1 + 0.05 * v : i % Q < 32 ? 0.01 * v : v),
      );
      const want = referenceOutputs(attention, c, inputs);
      const got = (await kernelBench("attention", attention, c, "wide")).run(inputs);
      for (let i = 0; i < want["out"]!.length; i++)
        expect(Math.abs(got["out"]![i]! - want["out"]![i]!)).toBeLessThan(1e-6 * loud);
      expectClose(got["lse"]!, want["lse"]!, "lse");
    }
  });

  it("works without lse", async () => {
    const c = caseOf(config(2, 9, 3, 1, 5), false);
    const inputs = inputsFor(attention, c);
    const bench = await kernelBench("attention", attention, c, "wide");
    expectClose(bench.run(inputs)["out"]!, referenceOutputs(attention, c, inputs)["out"]!, "out");
  });

  it(
    "writes the padding of rows too: the memory was another tensor's before",
    async () => {
      const dirty = (op: Op, outputs: readonly string[]): Op => ({
        ...op,
        emit(w, at, d, k) {
          for (const slot of op.tensors.filter((t) => outputs.includes(t.name)))
            w.line(`memory.fill(${at[slot.name]}, 65, ${tensorBytes(shapeOf(slot, d))});`);
          op.emit(w, at, d, k);
        },
      });
      const cfg = config(2, 9, 3, 1, 5);
      const c = caseOf(cfg);
      const inputs = inputsFor(attention, c);
      const gradient = backwardInputs(c, cfg);
      // `run` itself fails when it finds padding that is not zero
      const forward = await kernelBench("attention", dirty(attention, ["out", "lse"]), c, "wide");
      expectClose(forward.run(inputs)["lse"]!, referenceOutputs(attention, c, inputs)["lse"]!, "lse");
      const backward = await kernelBench(
        "attention_backward",
        dirty(attention_backward, ["d_qkv"]),
        c,
        "wide",
      );
      expectClose(
        backward.run(gradient)["d_qkv"]!,
        referenceOutputs(attention_backward, c, gradient)["d_qkv"]!,
        "d_qkv",
      );
      for (const R of [1, 6]) {
        const cc = cachedCase(R, 16, cfg);
        const bench = await kernelBench("attention_cached", dirty(attention_cached, ["out"]), cc, "wide");
        bench.run({ ...inputsFor(attention_cached, cc), spans: spanOf(3, R) });
      }
    },
    MANY,
  );

  it(
    "gives the same bits to 1, 2, 3 and 5 workers",
    async () => {
      for (const cfg of [
        config(3, 20, 4, 2, 8),
        config(2, 100, 3, 3, 32),
        windowed(30, config(2, 100, 3, 3, 32)),
      ]) {
        const c = caseOf(cfg);
        const forward = await kernelBench("attention", attention, c, "wide");
        const backward = await kernelBench("attention_backward", attention_backward, c, "wide");
        const inputs = inputsFor(attention, c);
        const gradient = backwardInputs(c, cfg);
        const one = forward.run(inputs);
        const oneBack = backward.run(gradient);
        for (const workers of [2, 3, 5]) {
          expect(forward.run(inputs, { workers })).toEqual(one);
          expect(backward.run(gradient, { workers })).toEqual(oneBack);
        }
      }
    },
    MANY,
  );
});

describe("attention_backward", () => {
  onAllTargets(checkBackward);

  it("its reference is the gradient of attention's reference (finite differences)", () => {
    for (const cfg of [
      config(2, 5, 4, 2, 3),
      config(1, 6, 2, 2, 4, false),
      windowed(3, config(1, 8, 2, 1, 4)),
    ]) {
      const c = caseOf(cfg);
      const qkv = inputsFor(attention, c)["qkv"]!;
      const { out, lse } = referenceOutputs(attention, c, { qkv });
      const d_out = inputsFor(attention_backward, c)["d_out"]!;
      const got = referenceOutputs(attention_backward, c, { qkv, out: out!, lse: lse!, d_out })["d_qkv"]!;
      const loss = (x: Float64Array): number =>
        referenceOutputs(attention, c, { qkv: x })["out"]!.reduce((sum, v, i) => sum + v * d_out[i]!, 0);
      for (let i = 0; i < qkv.length; i++) {
        const moved = (by: number): number => loss(qkv.map((v, n) => (n === i ? v + by : v)));
        const want = (moved(1e-6) - moved(-1e-6)) / 2e-6;
        expect(Math.abs(got[i]! - want), `d_qkv[${i}]`).toBeLessThanOrEqual(1e-5 + 1e-3 * Math.abs(want));
      }
    }
  });

  it("keeps its head with scores of 90 to 100", async () => {
    const cfg = config(1, 70, 1, 1, 16);
    const c = caseOf(cfg);
    const Q = c.d["Q"]!;
    const inputs = backwardInputs(c, cfg, ({ qkv }) => ({
      qkv: qkv!.map((v, i) =>
        Math.fround(i % Q === 0 ? 380 : i % Q === 16 ? 1 + 0.05 * v : i % Q < 32 ? 0.01 * v : v),
      ),
    }));
    const want = referenceOutputs(attention_backward, c, inputs)["d_qkv"]!;
    const got = (await kernelBench("attention_backward", attention_backward, c, "wide")).run(inputs)[
      "d_qkv"
    ]!;
    const largest = want.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
    for (let i = 0; i < want.length; i++) expect(Math.abs(got[i]! - want[i]!)).toBeLessThan(1e-4 * largest);
  });
});

describe("attention_cached", () => {
  const shapes = [
    {
      cfg: config(1, 0, 4, 4, 32),
      X: 64,
      R: 1,
      places: [
        [0, 1],
        [10, 1],
        [63, 1],
      ],
    },
    {
      cfg: config(1, 0, 6, 2, 64),
      X: 600,
      R: 1,
      places: [
        [599, 1],
        [511, 1],
        [512, 1],
      ],
    },
    {
      cfg: config(1, 0, 4, 2, 8),
      X: 64,
      R: 16,
      places: [
        [0, 16],
        [5, 9],
        [48, 16],
        [20, 0],
      ],
    },
    {
      cfg: config(1, 0, 2, 1, 5),
      X: 41,
      R: 13,
      places: [
        [17, 10],
        [28, 13],
        [0, 1],
      ],
    },
    {
      cfg: config(1, 0, 1, 1, 64),
      X: 256,
      R: 128,
      places: [
        [77, 128],
        [77, 61],
        [128, 128],
      ],
    },
    {
      cfg: config(1, 0, 3, 1, 96),
      X: 30,
      R: 7,
      places: [
        [0, 3],
        [23, 7],
      ],
    },
    {
      cfg: config(1, 0, 2, 2, 12),
      X: 300,
      R: 60,
      places: [
        [230, 60],
        [0, 60],
      ],
    },
    { cfg: config(1, 0, 60, 1, 4), X: 20, R: 1, places: [[19, 1]] },
    {
      cfg: windowed(9, config(1, 0, 4, 2, 8)),
      X: 64,
      R: 1,
      places: [
        [0, 1],
        [8, 1],
        [9, 1],
        [10, 1],
        [63, 1],
      ],
    },
    {
      cfg: windowed(20, config(1, 0, 60, 1, 4)),
      X: 700,
      R: 1,
      places: [
        [600, 1],
        [15, 1],
      ],
    },
    {
      cfg: windowed(600, config(1, 0, 6, 2, 16), true),
      X: 1400,
      R: 1,
      places: [
        [1300, 1],
        [599, 1],
        [600, 1],
      ],
    },
    {
      cfg: windowed(5, config(1, 0, 4, 2, 8)),
      X: 64,
      R: 16,
      places: [
        [0, 16],
        [5, 9],
        [48, 16],
        [20, 0],
      ],
    },
    {
      cfg: windowed(33, config(1, 0, 2, 2, 12)),
      X: 800,
      R: 60,
      places: [
        [230, 60],
        [0, 60],
        [700, 41],
      ],
    },
    {
      cfg: windowed(450, config(1, 0, 1, 1, 16), true),
      X: 1000,
      R: 128,
      places: [
        [770, 128],
        [411, 61],
        [0, 128],
      ],
    },
  ] as const;
  for (const target of targets)
    it(
      `equals its reference: ${target}`,
      async () => {
        const some = target === "wide" ? shapes : [...shapes.slice(1, 5), ...shapes.slice(-3)];
        const cases = some.map(({ R, X, cfg }) => cachedCase(R, X, cfg));
        const benches = await kernelBenches("attention_cached", attention_cached, cases, target);
        for (const [i, { R, places }] of some.entries()) {
          const c = cases[i]!;
          const bench = benches[i]!;
          for (const [start, rows] of places) {
            const inputs: Tensors = withWindow(some[i]!.cfg, {
              ...inputsFor(attention_cached, c),
              spans: spanOf(start, rows),
            });
            const want = referenceOutputs(attention_cached, c, inputs, false, {
              keys_out: inputs["keys"]!,
              values_out: inputs["values"]!,
            });
            for (const workers of [1, 3]) {
              const got = bench.run(inputs, { workers });
              const real = Math.min(
                rows,
                cachedPositions(c.d, { ...attention_cached.attrs, ...c.attrs }) - start,
              );
              for (const name of ["out", "keys_out", "values_out"]) {
                const end = name === "out" ? real * c.d["O"]! : undefined;
                expectClose(
                  got[name]!.subarray(0, end),
                  want[name]!.subarray(0, end),
                  `${R} rows at ${start}, ${rows} real: ${name}`,
                );
              }
            }
          }
        }
      },
      MANY,
    );

  it("never looks at what is not written yet: NaN there changes nothing", async () => {
    for (const [R, window] of [
      [1, 0],
      [8, 0],
      [8, 3],
    ] as const) {
      const c = cachedCase(R, 40, windowed(window, config(1, 0, 2, 1, 8)));
      const bench = await kernelBench("attention_cached", attention_cached, c, "wide");
      const rows = R === 1 ? 1 : 5;
      const known = 13 + rows;
      const clean: Tensors = { ...inputsFor(attention_cached, c), spans: spanOf(13, rows) };
      const { G, D, E, L } = c.d as Record<string, number>;
      const keyIsNew = (i: number): boolean => Math.floor(i / (G! * D! * L!)) * L! + (i % L!) >= known;
      const valueIsNew = (i: number): boolean =>
        Math.floor(i / (G! * E! * L!)) * L! + (Math.floor(i / L!) % L!) >= known;
      const dirty = {
        ...clean,
        keys: clean["keys"]!.map((v, i) => (keyIsNew(i) ? NaN : v)),
        values: clean["values"]!.map((v, i) => (valueIsNew(i) ? NaN : v)),
      };
      const ofRows = (t: Tensors): Float64Array => t["out"]!.subarray(0, rows * c.d["O"]!);
      expect(ofRows(bench.run(dirty))).toEqual(ofRows(bench.run(clean)));
    }
  });

  it("prefill in chunks, then decoding row by row, is attention over the whole sequence", async () => {
    const cfg = config(1, 75, 4, 2, 16);
    const T = cfg.T;
    const whole = caseOf(cfg);
    const qkv = inputsFor(attention, whole)["qkv"]!;
    const Q = whole.d["Q"]!;
    const O = whole.d["O"]!;
    const want = (await kernelBench("attention", attention, whole, "wide")).run({ qkv })["out"]!;
    const chunk = cachedCase(32, 80, cfg);
    const single = cachedCase(1, 80, cfg);
    const prefill = await kernelBench("attention_cached", attention_cached, chunk, "wide");
    const decode = await kernelBench("attention_cached", attention_cached, single, "wide");
    const { keys, values } = cacheShapes(1, 80, cfg.kv, cfg.D);
    let cache: Tensors = {
      keys: new Float64Array(elements(keys)),
      values: new Float64Array(elements(values)),
    };
    for (let start = 0; start < T;) {
      const [R, bench] = start < 60 ? [32, prefill] : [1, decode];
      const rows = Math.min(R, start < 60 ? 60 - start : 1);
      const padded = new Float64Array(R * Q);
      padded.set(qkv.subarray(start * Q, (start + rows) * Q));
      const got = bench.run({ qkv: padded, ...cache, spans: spanOf(start, rows) });
      expectClose(
        got["out"]!.subarray(0, rows * O),
        want.subarray(start * O, (start + rows) * O),
        `out from row ${start}`,
      );
      cache = { keys: got["keys_out"]!, values: got["values_out"]! };
      start += rows;
    }
  });
});
