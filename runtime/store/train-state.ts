/**
 * What a checkpoint says of its run, besides the tensors, and the check of it. A state with a right hash may
 * still come from anywhere, so every field has a type and a range, and the fields have to agree with each
 * other.
 */
import { trainRanges } from "../contract/limits.ts";
import type { FormatRecord } from "./stored-format.ts";
import * as s from "../base/schema.ts";
import type { ResumePoint } from "../train/train.ts";

export const STATE_VERSION = 2;

export interface TrainState extends ResumePoint {
  /** What must be the same for the next step to be the same. */
  readonly identity: Readonly<Record<string, string>>;
}

export interface StoredState extends TrainState {
  readonly version: 1 | typeof STATE_VERSION;
  readonly sha256: Readonly<Record<string, string>>;
  /** The formats of tensors that are not plain f32. */
  readonly kept?: Readonly<Record<string, FormatRecord>>;
}

const stateCheck = s.object({
  version: s.oneOf(1, STATE_VERSION),
  step: s.within(trainRanges.steps),
  tokens: s.integer(0, Number.MAX_SAFE_INTEGER),
  batches: s.list(s.integer(0, 2 ** 32 - 1), 4),
  best: s.optional(
    s.object({
      step: s.within(trainRanges.steps),
      loss: s.real(-Number.MAX_VALUE, Number.MAX_VALUE),
      seen: s.within(trainRanges.steps),
      since: s.within(trainRanges.steps),
      beyond: s.optional(s.oneOf(true, false)),
    }),
  ),
  sourceState: s.optional(s.table(s.real(-Number.MAX_VALUE, Number.MAX_VALUE))),
  identity: s.table(s.text()),
  sha256: s.table(s.sha256Text),
  kept: s.optional((value, field) => (s.isObject(value) ? undefined : `${field} is no object`)),
});

/** A checkpoint's file name carries its step. */
const STEP_IN_NAME = /(?:^|\/)step-(\d{6,})\.safetensors$/;

export interface WrongState {
  readonly why: string;
  readonly hint?: string;
}

/**
 * What is wrong with a state; undefined when nothing is. `path` is the file's: where it is named after a
 * step, the state must be of that step.
 */
export function wrongState(json: string, path: string): WrongState | undefined {
  let state: unknown;
  try {
    state = JSON.parse(json);
  } catch {
    return { why: "its training state is no JSON" };
  }
  const { version } = s.isObject(state) ? state : {};
  if (typeof version === "number" && version > STATE_VERSION)
    return {
      why: `version ${version}; this release reads versions 1 and ${STATE_VERSION}`,
      hint: "Use the release that wrote it, or a newer one.",
    };
  const wrong = stateCheck(state, "") ?? contradiction(state as StoredState, path);
  return wrong === undefined ? undefined : { why: `its training state can not be: ${wrong}` };
}

/** Every field is in its range by now; what is wrong with them taken together. */
function contradiction({ step, tokens, batches, best }: StoredState, path: string): string | undefined {
  const named = STEP_IN_NAME.exec(path)?.[1];
  if (named !== undefined && Number(named) !== step)
    return `step is ${step}, and the file is named after step ${Number(named)}`;
  if (step === 0 ? tokens !== 0 : tokens < step)
    return `tokens is ${tokens}, after ${step} step${step === 1 ? "" : "s"}`;
  if (best && (best.step > best.seen || best.seen > step))
    return `best.step is ${best.step} and best.seen ${best.seen}, at step ${step}`;
  if (batches.every((word) => word === 0)) return "batches is [0, 0, 0, 0], where no stream gets to";
  return undefined;
}
