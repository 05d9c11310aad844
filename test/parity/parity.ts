/**
 * One spec, compiled, against its PyTorch fixture. `measure` returns what differs; the test judges it. By hand:
 *
 *   node test/parity/parity.ts gpt2 --target wide --workers 2        prints every deviation
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Manifest } from "../../compiler/9-bundle/manifest.ts";
import { targets, type Target } from "../../compiler/op.ts";
import { compileSpec } from "./compiled.ts";
import { readFixture, type FixtureTensor } from "./safetensors.ts";
import { checkpointName, openSession, type Session } from "./session.ts";

export const specNames = ["gpt2", "parallel", "post-norm", "rmsnorm-relu2", "untied", "odd-sizes", "nested"] as const;
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
  readonly norm: Deviation;
  /** Every byte of parameters after the last step, and of the first gradients: equal for any number of workers. */
  readonly trained: ReadonlyMap<string, Float32Array>;
}

const fixtureOf = (name: string): Map<string, FixtureTensor> => readFixture(new URL(`fixtures/${name}.safetensors`, import.meta.url).pathname);

function deviation(name: string, got: ArrayLike<number>, want: ArrayLike<number>): Deviation {
  let worst = 0, ofAllowance = 0;
  if (got.length !== want.length) throw new Error(`${name}: ${got.length} numbers instead of ${want.length}`);
  for (let i = 0; i < got.length; i++) {
    const d = Math.abs(got[i]! - want[i]!);
    worst = d <= worst ? worst : d; // NaN stays
    const share = d / (1e-6 + 1e-5 * Math.abs(want[i]!));
    ofAllowance = share <= ofAllowance ? ofAllowance : share;
  }
  return { name, worst, ofAllowance };
}

/** Name in the checkpoint → tensor and slice in the module, of one kind of storage. */
const named = (session: Session, storage: "parameter" | "gradient") => session.module.tensors.filter((t) => t.storage === storage).flatMap((place) =>
  Array.from({ length: place.slices }, (_, slice) => {
    const parameter = storage === "parameter" ? place : session.module.tensors.find((t) => t.name === place.of)!;
    return { name: checkpointName(parameter, slice), tensor: place.name, slice };
  }));

function loadParameters(session: Session, fixture: Map<string, FixtureTensor>): Measured["parameters"] {
  const wanted = new Set([...fixture.keys()].filter((key) => fixture.has(`gradient.${key}`))), unexpected: string[] = [];
  for (const { name, tensor, slice } of named(session, "parameter")) {
    if (wanted.delete(name)) session.write(tensor, fixture.get(name)!.values, slice);
    else unexpected.push(name);
  }
  return { missing: [...wanted], unexpected };
}

function writeHyper(session: Session, manifest: Manifest, step: number, scale: number): void {
  const values = new Float32Array(16), h = manifest.hyper;
  for (const [key, value] of Object.entries(ADAMW)) values[h[key as keyof typeof ADAMW]] = value;
  values[h.correction1] = 1 / (1 - ADAMW.beta1 ** step);
  values[h.correction2] = 1 / (1 - ADAMW.beta2 ** step);
  values[h.scale] = scale;
  session.write("hyper", values);
}

/** Gradients of one batch, then ten AdamW steps on it. */
export async function measure(name: SpecName, target: Target, workers: number): Promise<Measured> {
  const fixture = fixtureOf(name), { manifest, wasm } = await compileSpec(specText(name), target, "train");
  const session = await openSession(manifest, "train", target, wasm, workers);
  try {
    const parameters = loadParameters(session, fixture), targetIds = fixture.get("targets")!.values, counted = targetIds.filter((id) => id >= 0).length;
    session.write("tokens", fixture.get("tokens")!.values);
    session.write("targets", targetIds);
    const trained = new Map<string, Float32Array>();
    const step = (number: number, { update, accumulate = 0, scale = 1 / counted }: { update: 0 | 1; accumulate?: 0 | 1; scale?: number }): number => {
      writeHyper(session, manifest, number, scale);
      session.set("accumulate", accumulate);
      session.set("update", update);
      session.call("train");
      const [sum, number_] = session.read("loss");
      return sum! / number_!;
    };
    step(1, { update: 0 });
    const gradients = named(session, "gradient").map(({ name: of, tensor, slice }) => {
      const got = session.read(tensor, slice) as Float32Array;
      trained.set(`gradient.${of}`, got);
      return deviation(of, got, fixture.get(`gradient.${of}`)?.values ?? []);
    });
    const losses: number[] = [], wantedLosses = [...fixture.get("losses")!.values];
    let norm = 0;
    for (let i = 1; i <= wantedLosses.length; i++) {
      losses.push(step(i, { update: 1 }));
      if (i === 1) norm = session.read("norm")[0]!;
    }
    for (const { name: of, tensor, slice } of named(session, "parameter")) trained.set(of, session.read(tensor, slice) as Float32Array);
    return { parameters, gradients, losses, wantedLosses, norm: deviation("norm", [norm], fixture.get("norm")!.values), trained };
  } finally {
    await session.close();
  }
}

/** Twice the same batch at half the scale, the second added to the first: the same gradients. */
export async function measureAccumulated(name: SpecName, target: Target): Promise<readonly Deviation[]> {
  const fixture = fixtureOf(name), { manifest, wasm } = await compileSpec(specText(name), target, "train");
  const session = await openSession(manifest, "train", target, wasm, 1);
  loadParameters(session, fixture);
  const targetIds = fixture.get("targets")!.values;
  session.write("tokens", fixture.get("tokens")!.values);
  session.write("targets", targetIds);
  session.set("update", 0);
  for (const accumulate of [0, 1]) {
    writeHyper(session, manifest, 1, 0.5 / targetIds.filter((id) => id >= 0).length);
    session.set("accumulate", accumulate);
    session.call("train");
  }
  return named(session, "gradient").map(({ name: of, tensor, slice }) => deviation(of, session.read(tensor, slice), fixture.get(`gradient.${of}`)?.values ?? []));
}

/** Mean loss of the batch by the entry that only evaluates. */
export async function measureEvaluation(name: SpecName, target: Target): Promise<Deviation> {
  const fixture = fixtureOf(name), { manifest, wasm } = await compileSpec(specText(name), target, "infer");
  const session = await openSession(manifest, "infer", target, wasm, 1);
  loadParameters(session, fixture);
  session.write("tokens", fixture.get("tokens")!.values);
  session.write("targets", fixture.get("targets")!.values);
  session.call("evaluate");
  const [sum, count] = session.read("loss");
  return deviation("loss", [sum! / count!], fixture.get("loss")!.values);
}

/** Logits of every position of every sequence: by a prefill that ends there, or by decoding up to there. */
export async function measureLogits(name: SpecName, target: Target, workers: number, entry: "prefill" | "decode", module: "train" | "infer"): Promise<Deviation> {
  const fixture = fixtureOf(name), { manifest, wasm } = await compileSpec(specText(name), target, module);
  const session = await openSession(manifest, module, target, wasm, workers);
  try {
    loadParameters(session, fixture);
    const { context, vocab } = manifest.model.sizes, tokens = fixture.get("tokens")!.values;
    const chunk = session.module.entries.find((e) => e.name === entry)!.context;
    const got = new Float32Array(tokens.length * vocab);
    for (let row = 0; row < tokens.length; row++) {
      const position = row % context, first = row - position;
      for (let start = entry === "decode" ? position : 0; start <= position; start += chunk) {
        const rows = Math.min(chunk, position + 1 - start);
        session.write("tokens", tokens.slice(first + start, first + start + rows));
        session.set("start", start);
        session.set("rows", rows);
        session.call(entry);
      }
      got.set(session.read("logits"), row * vocab);
    }
    return deviation("logits", got, fixture.get("logits")!.values);
  } finally {
    await session.close();
  }
}

export const specText = (name: SpecName): string => readFileSync(new URL(`specs/${name}.sinter`, import.meta.url), "utf8");

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: { target: { type: "string", default: "simd" }, workers: { type: "string", default: "1" } } });
  const target = targets.find((t) => t === values.target) ?? "simd", workers = Number(values.workers);
  for (const name of specNames.filter((n) => positionals.length === 0 || positionals.includes(n))) {
    console.log(`${name} ${target} ${workers}`);
    const m = await measure(name, target, workers);
    if (m.parameters.missing.length + m.parameters.unexpected.length > 0) console.log("  parameters", m.parameters);
    for (const d of [...m.gradients, m.norm]) console.log(`  ${d.ofAllowance <= 1 ? "  " : "✗ "}${d.name.padEnd(40)} ${d.worst.toExponential(1)}   ${d.ofAllowance.toFixed(2)} of the allowance`);
    for (const [i, loss] of m.losses.entries()) console.log(`    loss ${i} ${loss.toFixed(6)}  PyTorch ${m.wantedLosses[i]!.toFixed(6)}  ${(loss - m.wantedLosses[i]!).toExponential(1)}`);
    for (const entry of ["prefill", "decode"] as const) {
      const d = await measureLogits(name, target, workers, entry, "train");
      console.log(`  ${d.ofAllowance <= 1 ? "  " : "✗ "}${`logits by ${entry}`.padEnd(40)} ${d.worst.toExponential(1)}   ${d.ofAllowance.toFixed(2)} of the allowance`);
    }
  }
}
if (import.meta.main) await main();
