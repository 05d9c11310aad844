/**
 * One spec, compiled, against its PyTorch fixture. `measure` returns what differs; the test judges it. By
 * hand:
 *
 *   node test/parity/parity.ts gpt2 --target wide --workers 2        prints every deviation
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { IncrementalEntry } from "../../runtime/contract/entries.ts";
import type { Manifest, ModuleName } from "../../runtime/contract/manifest.ts";
import { targets, type Target } from "../../runtime/contract/targets.ts";
import { learningRate } from "../../runtime/train/schedule.ts";
import { compileSpec } from "./compiled.ts";
import { readFixture, type FixtureTensor } from "./read-fixture.ts";
import { checkpointName, openSession, type Session } from "./session.ts";

export const specNames = [
  "gpt2",
  "parallel",
  "post-norm",
  "rmsnorm-relu2",
  "untied",
  "odd-sizes",
  "nested",
  "llama",
  "llama-tied",
  "banded",
  "sliding",
  "qk-norm",
  "embed-norm",
  "names",
  "narrow-heads",
  "wide-heads",
  "mixture",
  "mixture-mlp",
  "mixture-masked",
] as const;
export type SpecName = (typeof specNames)[number];

/** As in fixtures.py. */
const ADAMW = { lr: 1e-2, beta1: 0.9, beta2: 0.95, eps: 1e-8, decay: 0.1, clip: 1 };

/** A tensor's worst element: |got − want|, and the same divided by its allowance 1e-6 + 1e-5·|want|. */
export interface Deviation {
  readonly name: string;
  readonly worst: number;
  readonly ofAllowance: number;
}

export interface Measured {
  readonly parameters: { readonly missing: readonly string[]; readonly unexpected: readonly string[] };
  readonly gradients: readonly Deviation[];
  readonly losses: readonly number[];
  readonly wantedLosses: readonly number[];
  /** Learning rates of the steps. Wanted: PyTorch's, where the spec's schedule is part of the fixture. */
  readonly rates: readonly number[];
  readonly wantedRates: readonly number[];
  readonly norm: Deviation;
  /**
   * Every byte of parameters after the last step, and of the first gradients: equal for any number of
   * workers.
   */
  readonly trained: ReadonlyMap<string, Float32Array>;
}

const fixtureOf = (name: string): Map<string, FixtureTensor> =>
  readFixture(new URL(`fixtures/${name}.safetensors`, import.meta.url).pathname);

function deviation(name: string, got: ArrayLike<number>, want: ArrayLike<number>): Deviation {
  let worst = 0;
  let ofAllowance = 0;
  if (got.length !== want.length) throw new Error(`${name}: ${got.length} numbers instead of ${want.length}`);
  for (let i = 0; i < got.length; i++) {
    const d = Number.isNaN(got[i]!) ? Infinity : Math.abs(got[i]! - want[i]!);
    worst = Math.max(worst, d);
    ofAllowance = Math.max(ofAllowance, d / (1e-6 + 1e-5 * Math.abs(want[i]!)));
  }
  return { name, worst, ofAllowance };
}

/** Name in the checkpoint → tensor and slice in the module, of one kind of storage. */
function named({ module: { tensors } }: Session, storage: "parameter" | "gradient") {
  return tensors
    .filter((t) => t.storage === storage)
    .flatMap((place) => {
      const parameter = storage === "parameter" ? place : tensors.find((t) => t.name === place.of)!;
      return Array.from({ length: place.slices }, (_, slice) => ({
        name: checkpointName(parameter, slice),
        tensor: place.name,
        slice,
      }));
    });
}

const gradientDeviations = (session: Session, fixture: Map<string, FixtureTensor>): Deviation[] =>
  named(session, "gradient").map(({ name, tensor, slice }) =>
    deviation(name, session.read(tensor, slice), fixture.get(`gradient.${name}`)?.values ?? []),
  );

/** The fixture's parameters and batch, in place. */
function load(
  session: Session,
  fixture: Map<string, FixtureTensor>,
): { readonly parameters: Measured["parameters"]; readonly counted: number } {
  const targetIds = fixture.get("targets")!.values;
  session.write("tokens", fixture.get("tokens")!.values);
  session.write("targets", targetIds);
  return { parameters: loadParameters(session, fixture), counted: targetIds.filter((id) => id >= 0).length };
}

function loadParameters(session: Session, fixture: Map<string, FixtureTensor>): Measured["parameters"] {
  const wanted = new Set([...fixture.keys()].filter((key) => fixture.has(`gradient.${key}`)));
  const unexpected: string[] = [];
  for (const { name, tensor, slice } of named(session, "parameter")) {
    if (wanted.delete(name)) session.write(tensor, fixture.get(name)!.values, slice);
    else unexpected.push(name);
  }
  return { missing: [...wanted], unexpected };
}

function writeHyper(session: Session, manifest: Manifest, step: number, scale: number, lr = ADAMW.lr): void {
  const values = new Float32Array(16);
  const h = manifest.hyper;
  for (const [key, value] of Object.entries({ ...ADAMW, lr })) values[h[key as keyof typeof ADAMW]] = value;
  values[h.correction1] = 1 / (1 - ADAMW.beta1 ** step);
  values[h.correction2] = 1 / (1 - ADAMW.beta2 ** step);
  values[h.scale] = scale;
  session.write("hyper", values);
}

/** Gradients of one batch, then ten AdamW steps on it. */
export async function measure(name: SpecName, target: Target, workers: number): Promise<Measured> {
  const fixture = fixtureOf(name);
  const { manifest, wasm } = await compileSpec(specText(name), target, "train");
  const session = await openSession(manifest, "train", target, wasm, workers);
  try {
    const { parameters, counted } = load(session, fixture);
    const trained = new Map<string, Float32Array>();
    const wantedLosses = [...fixture.get("losses")!.values];
    const wantedRates = [...(fixture.get("rates")?.values ?? [])];
    const rates = wantedLosses.map((_, i) =>
      wantedRates.length > 0 ? learningRate(i + 1, manifest.model.train) : ADAMW.lr,
    );
    const step = (count: number, update: 0 | 1): number => {
      writeHyper(session, manifest, count, 1 / counted, rates[count - 1]!);
      session.set("accumulate", 0);
      session.set("update", update);
      session.call("train");
      const [sum, targets] = session.read("loss");
      return sum! / targets!;
    };
    step(1, 0);
    const gradients = gradientDeviations(session, fixture);
    for (const { name: of, tensor, slice } of named(session, "gradient"))
      trained.set(`gradient.${of}`, session.read(tensor, slice) as Float32Array);
    const losses = [step(1, 1)];
    const norm = deviation("norm", session.read("norm"), fixture.get("norm")!.values);
    while (losses.length < wantedLosses.length) losses.push(step(losses.length + 1, 1));
    for (const { name: of, tensor, slice } of named(session, "parameter"))
      trained.set(of, session.read(tensor, slice) as Float32Array);
    return { parameters, gradients, losses, wantedLosses, rates, wantedRates, norm, trained };
  } finally {
    await session.close();
  }
}

/** Twice the same batch at half the scale, the second added to the first: the same gradients. */
export async function measureAccumulated(name: SpecName, target: Target): Promise<readonly Deviation[]> {
  const fixture = fixtureOf(name);
  const { manifest, wasm } = await compileSpec(specText(name), target, "train");
  const session = await openSession(manifest, "train", target, wasm, 1);
  const { counted } = load(session, fixture);
  session.set("update", 0);
  writeHyper(session, manifest, 1, 0.5 / counted);
  for (const accumulate of [0, 1]) {
    session.set("accumulate", accumulate);
    session.call("train");
  }
  return gradientDeviations(session, fixture);
}

/** Mean loss of the batch by the entry that only evaluates. */
export async function measureEvaluation(name: SpecName, target: Target): Promise<Deviation> {
  const fixture = fixtureOf(name);
  const { manifest, wasm } = await compileSpec(specText(name), target, "infer");
  const session = await openSession(manifest, "infer", target, wasm, 1);
  load(session, fixture);
  session.call("evaluate");
  const [sum, count] = session.read("loss");
  return deviation("loss", [sum! / count!], fixture.get("loss")!.values);
}

/** Logits of every position of every sequence: by a prefill that ends there, or by decoding up to there. */
export async function measureLogits(
  name: SpecName,
  target: Target,
  entry: "prefill" | "decode",
  module: ModuleName,
): Promise<Deviation> {
  const fixture = fixtureOf(name);
  const { manifest, wasm } = await compileSpec(specText(name), target, module);
  const session = await openSession(manifest, module, target, wasm, 1);
  try {
    loadParameters(session, fixture);
    const { context, vocab } = manifest.model.sizes;
    const tokens = fixture.get("tokens")!.values;
    const chunk = session.module.entries.find((e) => e.name === entry)!.context;
    const got = new Float32Array(tokens.length * vocab);
    for (let row = 0; row < tokens.length; row++) {
      const position = row % context;
      const first = row - position;
      for (let start = entry === "decode" ? position : 0; start <= position; start += chunk) {
        const rows = Math.min(chunk, position + 1 - start);
        runTokens(session, entry, tokens.slice(first + start, first + start + rows), start);
      }
      got.set(session.read("logits"), row * vocab);
    }
    return deviation("logits", got, fixture.get("logits")!.values);
  } finally {
    await session.close();
  }
}

/** Logits of every row at once, and what the output layer makes of the rows that it is said to read. */
export async function measureRows(name: SpecName): Promise<readonly Deviation[]> {
  const fixture = fixtureOf(name);
  const { manifest, wasm } = await compileSpec(specText(name), "simd", "infer");
  const session = await openSession(manifest, "infer", "simd", wasm, 1);
  try {
    loadParameters(session, fixture);
    const { context } = manifest.model.sizes;
    const tokens = fixture.get("tokens")!.values;
    const logits: number[] = [];
    const mapped: number[] = [];
    for (let first = 0; first < tokens.length; first += context) {
      const sequence = tokens.slice(first, first + context);
      runTokens(session, "score", sequence, 0);
      for (const value of session.read("row_logits")) logits.push(value);
      runTokens(session, "embed", sequence, 0);
      for (const value of outputOf(fixture, session.read("hidden"), manifest.model.sizes)) mapped.push(value);
    }
    const wanted = fixture.get("logits")!.values;
    return [deviation("logits", logits, wanted), deviation("output of hidden", mapped, wanted)];
  } finally {
    await session.close();
  }
}

/** hidden [R, width] · W (+ bias), in f64. */
function outputOf(
  fixture: ReadonlyMap<string, FixtureTensor>,
  hidden: ArrayLike<number>,
  { width, vocab }: Manifest["model"]["sizes"],
): number[] {
  const own = fixture.get("output.linear.weight")?.values;
  const table = fixture.get("token_embedding.weight")!.values;
  const weight = (k: number, n: number): number => (own ? own[k * vocab + n]! : table[n * width + k]!);
  const bias = fixture.get("output.linear.bias")?.values;
  return Array.from({ length: (hidden.length / width) * vocab }, (_, i) => {
    const [row, n] = [Math.floor(i / vocab), i % vocab];
    let sum = bias?.[n] ?? 0;
    for (let k = 0; k < width; k++) sum += hidden[row * width + k]! * weight(k, n);
    return sum;
  });
}

/** A run of tokens at positions `start` … */
function runTokens(
  session: Session,
  entry: IncrementalEntry,
  tokens: FixtureTensor["values"],
  start: number,
): void {
  session.write("tokens", tokens);
  // a model whose rows do not depend on their positions has no such input
  const given = {
    positions: Array.from(tokens, (_, r) => start + r),
    spans: [0, start, 0, tokens.length],
  };
  for (const [input, values] of Object.entries(given))
    if (session.module.tensors.some((t) => t.name === input)) session.write(input, values);
  session.set("rows", tokens.length);
  session.set("spanCount", 1);
  session.call(entry);
}

export const specText = (name: SpecName): string =>
  readFileSync(new URL(`specs/${name}.sinter`, import.meta.url), "utf8");

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { target: { type: "string" }, workers: { type: "string" } },
  });
  const target = targets.find((t) => t === values.target) ?? "simd";
  const workers = Number(values.workers ?? 1);
  const show = (d: Deviation): void =>
    console.log(
      `  ${d.ofAllowance <= 1 ? " " : "✗"} ${d.name.padEnd(40)} ${d.worst.toExponential(1)}   ` +
        `${d.ofAllowance.toFixed(2)} of the allowance`,
    );
  for (const name of specNames.filter((n) => positionals.length === 0 || positionals.includes(n))) {
    console.log(`${name} ${target} ${workers}`);
    const { parameters, gradients, norm, losses, wantedLosses } = await measure(name, target, workers);
    if (parameters.missing.length + parameters.unexpected.length > 0) console.log("  parameters", parameters);
    [...gradients, norm].forEach(show);
    for (const [i, loss] of losses.entries())
      show(deviation(`loss ${i}: ${loss.toFixed(6)}`, [loss], [wantedLosses[i]!]));
    for (const entry of ["prefill", "decode"] as const)
      show({ ...(await measureLogits(name, target, entry, "train")), name: `logits by ${entry}` });
  }
}
if (import.meta.main) await main();
