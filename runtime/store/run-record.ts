/**
 * run.json says what is trained on which text, from which seed, with the hashes of all files that the run
 * began with; then comes a hash of itself.
 *
 *   version 2   as described here
 *   version 1   has no hash but the manifest's, so that other damage is not seen
 *
 * The hash is that of the record's canonical text (schema.ts) without the hash: white space and the order of
 * keys mean nothing.
 */
import { loraRanges, stageRanges, trainRanges } from "../contract/limits.ts";
import {
  chatFormatWords,
  learntParts,
  packings,
  schedules,
  stageNames,
  loraTargets,
  type Lora,
  type SftSettings,
  type StageName,
  type StageSettings,
  type TrainSettings,
} from "../contract/model.ts";
import { targets, type Target } from "../contract/targets.ts";
import { textRules, type TextRule } from "../train/sources/documents.ts";
import { SinterError } from "../base/errors.ts";
import { scheduleRules, type ScheduleRule } from "../train/schedule.ts";
import * as s from "../base/schema.ts";
import { sha256 } from "../contract/sha256.ts";

export const RUN_VERSION = 2;
const RESTORE = "Restore it from a copy, or train again into another folder.";
const READ_VERSIONS = `this release reads versions 1 and ${RUN_VERSION}`;
const BY_FLAGS = "settings change by flags: sinter train --resume --set NAME=VALUE";

export interface FileHash {
  readonly bytes: number;
  readonly sha256: string;
}

/** What a stage after pre-training adds to a record: how its data become rows. */
export interface StageRecord {
  readonly stage: StageName;
  /** How dialogues are written: a name of the table, or the template of the tokenizer. */
  readonly chatFormat: RecordedFormat;
  /** Of sft. */
  readonly loss?: SftSettings["loss"] | undefined;
  readonly packing?: SftSettings["packing"] | undefined;
  /** What decides the numbers of another stage, besides its training: the objective, and all of its block. */
  readonly settings?: Readonly<Record<string, string | number>> | undefined;
  readonly patience: number;
  /** Rows that were wrong were left out. */
  readonly dropWrong: boolean;
  /** The file that is held out; undefined: a share of the data is. */
  readonly heldOut?: { readonly path?: string | undefined; readonly sha256: string } | undefined;
  /** The text that the base has learnt from, by which forgetting is seen; absent: it is not known. */
  readonly text?: LearntText | undefined;
  /** Absent: all parameters are trained. */
  readonly lora?: Lora | undefined;
  /** Where the settings came from, for people. */
  readonly block: string;
}

/** A text, and which part of it was held out. */
export interface LearntText {
  /** As in RunRecord.data. */
  readonly path?: string | undefined;
  readonly sha256: string;
  /** The share that was held out. */
  readonly heldOut: number;
  readonly rule: TextRule;
}

/** `template`: that of the tokenizer's own files. */
export type RecordedFormat = Exclude<StageSettings["chatFormat"], "auto"> | "template";

/** A setting that was changed by a flag when the run went on after this step. */
export interface SettingChange {
  readonly step: number;
  readonly setting: keyof TrainSettings;
  readonly from: number | string;
  readonly to: number | string;
}

export interface RunRecord {
  readonly model: string;
  /**
   * The text file's absolute path; undefined: the built-in text.
   */
  readonly data: { readonly path?: string | undefined; readonly sha256: string };
  readonly settings: TrainSettings;
  /**
   * How the learning rate follows from the settings (schedule.ts). Undefined: the record is older than the
   * field.
   */
  readonly scheduleRule?: ScheduleRule | undefined;
  /**
   * Which tokens stand around a text's documents (documents.ts). Undefined: the record is older than the
   * field.
   */
  readonly textRule?: TextRule | undefined;
  /**
   * The target that the run began on; undefined: it has not begun yet. Its bundle has code for one target
   * only.
   */
  readonly target?: Target | undefined;
  readonly compiler: string;
  /**
   * Only of an imported model: its weights are the checkpoint of step 0, and no text belongs to it.
   */
  readonly imported?: { readonly from: string; readonly form: string } | undefined;
  /** The run whose weights this one began with: its id, and the step of those weights. */
  readonly from?: { readonly id: string; readonly step: number } | undefined;
  /** Only of a stage after pre-training. */
  readonly stage?: StageRecord | undefined;
  /** Hash of all that the run began with. Checkpoints carry it, so that one of another run is recognised. */
  readonly id: string;
  /** Every file that the run began with, by its path in the folder. */
  readonly files: Readonly<Record<string, FileHash>>;
  readonly changes?: readonly SettingChange[] | undefined;
}

/**
 * A record of either version. `manifest` is the hash of bundle/manifest.json, the only one that version 1
 * has.
 */
export type ReadRecord =
  | { readonly version: typeof RUN_VERSION; readonly record: RunRecord }
  | { readonly version: 1; readonly record: Omit<RunRecord, "id" | "files">; readonly manifest: string };

const steps = s.within(trainRanges.steps);
const numbers = Object.fromEntries(
  Object.entries(trainRanges).map(([name, range]) => [name, s.within(range)]),
) as Record<keyof typeof trainRanges, s.Check>;
/** What each setting has to be: the ranges are those of a spec. */
export const settingChecks = {
  ...numbers,
  rows: s.optional(s.oneOf("documents")),
  optimizer: s.optional(s.oneOf("adamw8")),
  recompute: s.optional(s.oneOf("layers")),
  schedule: s.oneOf(...schedules),
} satisfies Record<keyof TrainSettings, s.Check>;

const target = s.oneOf(...targets);
const plain = s.text(/^[^\0-\x1f]{0,1000}$/, "a text of one line");
const path = s.text(/^[^\0]{1,4096}$/, "a path");

/** Fields that both versions have. */
const common = {
  model: plain,
  settings: s.object(settingChecks),
  scheduleRule: s.optional(s.oneOf(...scheduleRules)),
  textRule: s.optional(s.oneOf(...textRules)),
  target: s.optional(target),
  compiler: plain,
  imported: s.optional(s.object({ from: path, form: plain })),
};
/** The hash of an imported model's text is empty: no text belongs to it. */
const data = s.object({
  path: s.optional(path),
  sha256: s.text(/^([0-9a-f]{64})?$/, "a SHA-256 in hexadecimal"),
});

const stage = s.object({
  stage: s.oneOf(...stageNames),
  chatFormat: s.oneOf("template", ...chatFormatWords.filter((word) => word !== "auto")),
  loss: s.optional(s.oneOf(...learntParts)),
  packing: s.optional(s.oneOf(...packings)),
  settings: s.optional(s.table(scalar)),
  patience: s.within(stageRanges.patience),
  dropWrong: s.oneOf(true, false),
  heldOut: s.optional(data),
  text: s.optional(
    s.object({
      path: s.optional(path),
      sha256: s.sha256Text,
      heldOut: s.within(trainRanges.heldOut),
      rule: s.oneOf(...textRules),
    }),
  ),
  lora: s.optional(
    s.object({
      rank: s.within(loraRanges.rank),
      alpha: s.within(loraRanges.alpha),
      on: s.list(s.oneOf(...loraTargets)),
    }),
  ),
  block: plain,
});

const checks = {
  1: s.object({ version: s.oneOf(1), ...common, data, manifest: s.sha256Text }),
  2: s.object({
    version: s.oneOf(2),
    ...common,
    data,
    id: s.sha256Text,
    from: s.optional(s.object({ id: s.sha256Text, step: steps })),
    stage: s.optional(stage),
    files: s.table(s.object({ bytes: s.integer(0, Number.MAX_SAFE_INTEGER), sha256: s.sha256Text })),
    changes: s.optional(
      s.list(
        s.object({
          step: steps,
          setting: s.oneOf(...Object.keys(settingChecks)),
          from: scalar,
          to: scalar,
        }),
      ),
    ),
    sha256: s.sha256Text,
  }),
} as const;

function scalar(value: unknown, field: string): string | undefined {
  return typeof value === "string" ? plain(value, field) : s.real(0, 2 ** 32)(value, field);
}

/** Reads and checks a record. Throws `corrupt`, with the name of the field that is wrong. */
export async function parseRecord(bytes: Uint8Array, from: string): Promise<ReadRecord> {
  const fail = (why: string): never => {
    throw new SinterError("corrupt", `${from}: ${why}`, RESTORE);
  };
  const value = parseJson(bytes) ?? fail("it is no JSON object: damaged");
  const { version } = value;
  if (typeof version === "number" && Number.isSafeInteger(version) && version > RUN_VERSION)
    throw new SinterError(
      "corrupt",
      `${from} has version ${version}; ${READ_VERSIONS}`,
      "Use the release that wrote it, or a newer one; or restore the file from a copy.",
    );
  if (version !== 1 && version !== 2) return fail(`version is ${JSON.stringify(version)}; ${READ_VERSIONS}`);
  const wrong = checks[version](value, "");
  if (wrong !== undefined) fail(wrong);
  const { sha256: said, ...rest } = value;
  if (version === 2 && (await hashOf(rest)) !== said)
    fail(`its hash differs: it was changed, or is damaged (${BY_FLAGS})`);
  const { version: _, manifest, ...record } = rest;
  if (version === 1) return { version, record: record as unknown as RunRecord, manifest: manifest as string };
  return { version, record: record as unknown as RunRecord };
}

/** Undefined: the bytes are no JSON object in UTF-8. */
function parseJson(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    );
    return s.isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The text of run.json. */
export async function recordText(record: RunRecord): Promise<string> {
  const whole = { version: RUN_VERSION, ...record };
  return `${JSON.stringify({ ...whole, sha256: await hashOf(whole) }, null, 1)}\n`;
}

const hashOf = (value: unknown): Promise<string> => sha256(s.canonical(value));

/**
 * A record with the hashes of the files that a run begins with, and an id of all that decides its numbers.
 * How long it trains and how often it evaluates, samples and saves do not belong to that. So the code and the
 * tokenizer count, but the manifest and the spec, which say those things too, do not.
 */
export async function newRecord(
  facts: Omit<RunRecord, "id" | "files">,
  contents: ReadonlyMap<string, Uint8Array>,
): Promise<RunRecord> {
  const hashes: Record<string, FileHash> = {};
  for (const [name, bytes] of contents) hashes[name] = { bytes: bytes.length, sha256: await sha256(bytes) };
  const {
    model,
    data: { sha256: text },
    settings,
    scheduleRule,
    textRule,
    imported,
    from,
    stage: whole,
  } = facts;
  // paths, and where settings came from, decide nothing
  const stage = whole && { ...whole, heldOut: whole.heldOut?.sha256, block: undefined, patience: undefined };
  const { steps: _, evalEvery: __, sampleEvery: ___, saveEvery: ____, ...deciding } = settings;
  const deciders = Object.entries(hashes).filter(([name]) => /\.wasm$|^tokenizer\//.test(name));
  const files = Object.fromEntries(deciders);
  const decided = { model, text, settings: deciding, scheduleRule, textRule, imported, from, stage, files };
  const id = await hashOf(decided);
  return { ...facts, id, files: hashes };
}
