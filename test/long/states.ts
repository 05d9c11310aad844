/**
 * Checkpoints whose state has a right hash but impossible contents, from a fault elsewhere or made by
 * somebody. Each is refused with the field's name, and the next older whole checkpoint is taken; where there
 * is none, the exit code is 3.
 */
import { createHash } from "node:crypto";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors, writeHeader } from "../../runtime/store/safetensors.ts";
import type { Campaign } from "./campaign.ts";
import { inside } from "../support/inside.ts";
import { checkpointName, resumeArgs, smallRun, STEPS } from "./small-run.ts";

type State = Record<string, unknown>;

export interface Hostile {
  readonly name: string;
  /** The state's JSON as it will stand in the file. */
  make(state: State): unknown;
  /** The field that the message names. */
  readonly names: RegExp;
}

const set = (field: string, value: unknown, names = new RegExp(`\\b${field}\\b`)): Hostile => ({
  name: `${field}: ${JSON.stringify(value) ?? "missing"}`,
  make: (state) => ({ ...state, [field]: value }),
  names,
});
const identity = (key: string, value: unknown, names: RegExp): Hostile => ({
  name: `identity.${key}: ${JSON.stringify(value) ?? "missing"}`,
  make: (state) => ({ ...state, identity: { ...(state["identity"] as State), [key]: value } }),
  names,
});

export const hostiles: readonly Hostile[] = [
  set("step", "x"),
  set("step", 1e308),
  set("step", -1),
  set("step", 1.5),
  set("step", null),
  set("step", undefined),
  set("step", 5),
  set("step", 0),
  set("step", [6]),
  set("step", 1_000_000_001),
  set("step", true),
  set("tokens", "many"),
  set("tokens", -1),
  set("tokens", null),
  set("tokens", 1e300),
  set("tokens", 0),
  set("tokens", undefined),
  set("tokens", 0.5),
  set("batches", []),
  set("batches", null),
  set("batches", undefined),
  set("batches", [1, 2, 3]),
  set("batches", [1, 2, 3, 4, 5]),
  set("batches", [0, 0, 0, 0]),
  set("batches", [1, 2, 3, -4]),
  set("batches", [1, 2, 3, 2 ** 32]),
  set("batches", [1, 2, 3, "4"]),
  set("batches", "1234"),
  set("identity", undefined),
  set("identity", null),
  set("identity", {}),
  set("identity", []),
  set("identity", "me"),
  identity("model", "other", /model|another run/),
  identity("data", "0".repeat(64), /data/),
  identity("run", "0".repeat(64), /run/),
  identity("model", 7, /identity/),
  identity("model", undefined, /model/),
  set("version", 0),
  set("version", 3),
  set("version", "2"),
  set("version", undefined),
  set("version", null),
  set("sha256", undefined),
  set("sha256", null),
  set("sha256", {}, /tensor/),
  set("sha256", []),
  set("kept", null),
  set("kept", { "token_embedding.weight": { type: "Q9", turned: false } }, /kept/),
  set("kept", { "token_embedding.weight": null }, /kept/),
  set("more", 1, /more/),
  { name: "null", make: () => null, names: /state/ },
  { name: "a list", make: () => [], names: /state/ },
  { name: "a number", make: () => 6, names: /state/ },
  { name: "not JSON", make: () => "{", names: /no JSON/ },
  {
    name: "NaN, which JSON has not",
    make: (state) => JSON.stringify(state).replace(/"tokens":\d+/, '"tokens":NaN'),
    names: /no JSON/,
  },
  {
    name: "__proto__",
    make: (state) => JSON.stringify(state).replace("{", '{"__proto__":{"step":6},'),
    names: /__proto__/,
  },
];

/** Writes another state into the checkpoint's file. A text is written as it is. */
export function withState(path: string, hostile: Hostile): void {
  const bytes = readFileSync(path);
  const { metadata, tensors } = readSafetensors(bytes, path);
  const made = hostile.make(JSON.parse(metadata.get("sinter")!) as State);
  const json = typeof made === "string" ? made : JSON.stringify(made);
  const header = writeHeader([...tensors.values()], {
    sinter: json,
    sinter_sha256: createHash("sha256").update(json).digest("hex"),
  });
  writeFileSync(path, Buffer.concat([header, bytes.subarray(8 + bytes.readUInt32LE(0))]));
}

export interface StateTrial {
  readonly hostile: string;
  readonly findings: readonly string[];
}

/**
 * Tries each state with eval, sample and resume while older checkpoints stand beside it, and with eval alone
 * while none does. Calls back after each trial.
 */
export async function tryStates(
  at: string,
  list: readonly Hostile[],
  signal: AbortSignal,
  after: (trial: StateTrial) => void,
): Promise<void> {
  const { whole, half } = await smallRun(at);
  const name = "hostile";
  const folder = join(at, name);
  const newest = checkpointName(6);
  const last = readFileSync(join(whole, checkpointName(STEPS)));
  const fresh = (): void => {
    rmSync(folder, { recursive: true, force: true });
    cpSync(half, folder, { recursive: true });
  };
  fresh();
  rmSync(join(folder, newest));
  const evalArgs = ["eval", name, "--workers", "1", "--json"];
  const sampleArgs = ["sample", name, "-p", "The", "--seed", "5", "--workers", "1"];
  const older = { eval: (await inside(evalArgs, at)).out, sample: (await inside(sampleArgs, at)).out };
  for (const hostile of list) {
    if (signal.aborted) return;
    const findings: string[] = [];
    const expected = (
      verb: string,
      { code, err }: { code: number; err: string },
      same: () => boolean,
    ): void => {
      if (code !== 0) findings.push(`${hostile.name}: ${verb} ended with ${code}: ${err.trim()}`);
      else if (!/skipped a checkpoint/.test(err) || !hostile.names.test(err))
        findings.push(`${hostile.name}: ${verb} says ${JSON.stringify(err)}`);
      else if (!same())
        findings.push(`${hostile.name}: ${verb} has another result than with the older checkpoint`);
    };
    fresh();
    withState(join(folder, newest), hostile);
    const evaluated = await inside(evalArgs, at);
    const sampled = await inside(sampleArgs, at);
    const resumed = await inside(resumeArgs(name), at);
    expected("eval", evaluated, () => evaluated.out === older.eval);
    expected("sample", sampled, () => sampled.out === older.sample);
    expected("resume", resumed, () => readFileSync(join(folder, checkpointName(STEPS))).equals(last));
    fresh();
    for (const step of [2, 4]) rmSync(join(folder, checkpointName(step)));
    withState(join(folder, newest), hostile);
    const alone = await inside(resumeArgs(name), at);
    if (alone.code !== 3 || !hostile.names.test(alone.err))
      findings.push(`${hostile.name}: alone, resume ended with ${alone.code}: ${alone.err.trim()}`);
    after({ hostile: hostile.name, findings });
  }
}

export const states: Campaign["run"] = async ({ out, say, signal }) => {
  const findings: string[] = [];
  let tried = 0;
  await tryStates(join(out, "run"), hostiles, signal, (trial) => {
    tried++;
    findings.push(...trial.findings);
    for (const finding of trial.findings) say(`FINDING ${finding}`);
  });
  return {
    counts: [
      ["hostile states", hostiles.length],
      ["tried, each × eval, sample, resume, and resume without another", tried],
    ],
    findings,
    complete: tried === hostiles.length,
  };
};
