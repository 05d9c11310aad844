/**
 * log.jsonl has every event of a run, one JSON object per line. It is written some events at a time, and cut
 * back to the checkpoint when a run goes on.
 */
import { writeText, type Files } from "../base/files.ts";
import * as s from "../base/schema.ts";
import type { TrainEvent } from "./events.ts";
import type { Figures } from "./sources/batch-source.ts";

const LOG = "log.jsonl";
/** So many events are written at a time. */
const EVENTS_AT_ONCE = 50;

export interface TrainLog {
  /** All events of the run, also those before it was resumed. */
  readonly events: readonly TrainEvent[];
  add(event: TrainEvent): void;
  /** Resolves when everything so far is in the file. */
  flush(): Promise<void>;
}

export interface LogOptions {
  /** Events after this step are removed: the run lost those steps, and makes them again. */
  readonly step: number;
  /** Events are written with the field's names. */
  readonly ofStage: boolean;
  now(): Date;
}

/** Opens the log of a folder. Each event that is added gets its time. */
export async function openLog(
  files: Files,
  folder: string,
  { step, ofStage, now }: LogOptions,
): Promise<TrainLog> {
  const line = (event: TrainEvent): string => logLine(ofStage ? withFieldNames(event) : event);
  const events = (await readLog(files, folder)).filter((e) => e.step <= step);
  await writeText(files, folder, LOG, events.map(line).join(""));
  let waiting = "";
  let writing = Promise.resolve();
  const flush = (): Promise<void> => {
    const text = waiting;
    waiting = "";
    if (text !== "") writing = writing.then(() => files.append(`${folder}/${LOG}`, text));
    return writing;
  };
  let failed: Error | undefined;
  return {
    events,
    add(event) {
      if (failed) throw failed;
      const timed = { ...event, time: now().toISOString() };
      events.push(timed);
      waiting += line(timed);
      if (events.length % EVENTS_AT_ONCE === 0) flush().catch((error: Error) => (failed = error));
    },
    flush,
  };
}

/** The events of a folder's log; none, where there is no log. */
export const readLog = async (files: Files, folder: string): Promise<TrainEvent[]> =>
  (await readWholeLog(files, folder))?.events ?? [];

export interface WholeLog {
  readonly events: TrainEvent[];
  /** How many lines hold no event. The last one is not counted where it is torn: it is being written. */
  readonly damaged: number;
}

/** Undefined: the folder has no log. */
export async function readWholeLog(files: Files, folder: string): Promise<WholeLog | undefined> {
  const path = `${folder}/${LOG}`;
  if (!(await files.exists(path))) return undefined;
  const text = new TextDecoder().decode(await files.read(path));
  const events = parseLog(text);
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  const damaged = lines.filter((line) => line !== "" && parseLog(line).length === 0).length;
  return { events, damaged };
}

/** An event, with our names for its numbers or the field's, as a line. */
export const logLine = (event: object): string => `${JSON.stringify(event, rounded)}\n`;

/** Digits of a number in the log. */
const DIGITS = 9;
const rounded = (_key: string, value: unknown): unknown =>
  typeof value === "number" ? Number(value.toPrecision(DIGITS)) : value;

/** What other trainers call these numbers, in the logs of stages after pre-training. */
const fieldNames: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  step: { lr: "learning_rate", norm: "grad_norm", tokens: "num_tokens" },
  eval: { loss: "eval_loss", tokens: "eval_num_tokens" },
};

const renamed = (event: object, names: readonly (readonly [from: string, to: string])[]): object => {
  const to = new Map(names);
  return Object.fromEntries(Object.entries(event).map(([key, value]) => [to.get(key) ?? key, value]));
};

/** What stands before the names of metrics of an evaluation. */
const EVAL = "eval_";
const prefixOf = (kind: unknown): string => (kind === "eval" ? EVAL : "");

/** The event with the names that the field has for its numbers; metrics stand beside them. */
export function withFieldNames(event: TrainEvent): object {
  const { metrics = {}, ...rest }: TrainEvent & { readonly metrics?: Figures } = event;
  const prefix = prefixOf(event.kind);
  return {
    ...renamed(rest, Object.entries(fieldNames[event.kind] ?? {})),
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}${name}`, value])),
  };
}

/** The event with our names, whichever it was written with. */
function withOurNames(event: Readonly<Record<string, unknown>>): object {
  const kind = String(event["kind"]);
  const names = Object.entries(fieldNames[kind] ?? {}).map(([ours, theirs]) => [theirs, ours] as const);
  const ours = renamed(event, names);
  if (kind !== "step" && kind !== "eval") return ours;
  const entries = Object.entries(ours);
  const isMetric = ([key, value]: readonly [string, unknown]): boolean =>
    key !== "kind" && typeof value === "number" && !Object.hasOwn(fields[kind], key);
  const metrics = entries
    .filter(isMetric)
    .map(([key, value]) => [key.startsWith(prefixOf(kind)) ? key.slice(prefixOf(kind).length) : key, value]);
  if (metrics.length === 0) return ours;
  return {
    ...Object.fromEntries(entries.filter((entry) => !isMetric(entry))),
    metrics: Object.fromEntries(metrics),
  };
}

const count = s.integer(0, Number.MAX_SAFE_INTEGER);
const any = s.real(-Number.MAX_VALUE, Number.MAX_VALUE);
const evaluated = {
  loss: s.optional(any),
  perplexity: s.optional(any),
  bitsPerByte: s.optional(any),
  tokens: count,
  ms: any,
  metrics: s.optional(s.table(any)),
};

/** What an event holds. Fields of later releases are let through, since nothing is computed from a log. */
const fields: Readonly<Record<TrainEvent["kind"], Readonly<Record<string, s.Check>>>> = {
  step: {
    step: count,
    loss: any,
    lr: any,
    norm: any,
    ms: any,
    tokens: count,
    tokensPerSecond: any,
    balance: s.optional(any),
    overload: s.optional(any),
    metrics: s.optional(s.table(any)),
  },
  experts: { step: count, name: s.text(), shares: s.list(s.list(any)) },
  eval: { step: count, whole: s.oneOf(true, false), ...evaluated },
  sample: { step: count, prompt: s.text(), text: s.text() },
  save: { step: count, file: s.text(), ms: any },
};
const time = s.optional(s.text());

/**
 * The events of a log. Lines that hold no event are passed over: the last one may be torn, any may be
 * damaged, and a log is for people.
 */
export function parseLog(text: string): TrainEvent[] {
  return text.split("\n").flatMap((part) => {
    try {
      const read = JSON.parse(part) as unknown;
      const event = s.isObject(read) ? withOurNames(read) : read;
      return isEvent(event) ? [event] : [];
    } catch {
      return [];
    }
  });
}

function isEvent(value: unknown): value is TrainEvent {
  if (!s.isObject(value) || typeof value["kind"] !== "string" || !Object.hasOwn(fields, value["kind"]))
    return false;
  const checks = { ...fields[value["kind"] as TrainEvent["kind"]], time };
  return Object.entries(checks).every(([key, check]) => check(value[key], key) === undefined);
}
