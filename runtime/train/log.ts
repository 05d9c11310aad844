/**
 * log.jsonl: every event of a run, one JSON object a line. Written in batches; cut back to the checkpoint
 * when a run goes on.
 */
import { writeText, type Files } from "../base/files.ts";
import * as s from "../base/schema.ts";
import type { TrainEvent } from "./events.ts";

const LOG = "log.jsonl";
const BATCH = 50; // events

export interface TrainLog {
  /** All events of the run, those before a resume too. */
  readonly events: readonly TrainEvent[];
  add(event: TrainEvent): void;
  /** Everything so far is in the file. */
  flush(): Promise<void>;
}

/** Opens the log of a folder; events after `step` were made by a run that lost them, and go. */
export async function openLog(files: Files, folder: string, step: number): Promise<TrainLog> {
  const path = `${folder}/${LOG}`;
  const events = (await files.exists(path))
    ? parseLog(new TextDecoder().decode(await files.read(path))).filter((e) => e.step <= step)
    : [];
  await writeText(files, folder, LOG, events.map(line).join(""));
  let waiting = "";
  let writing = Promise.resolve();
  const flush = (): Promise<void> => {
    const text = waiting;
    waiting = "";
    if (text !== "") writing = writing.then(() => files.append(path, text));
    return writing;
  };
  let failed: Error | undefined;
  return {
    events,
    add(event) {
      if (failed) throw failed;
      events.push(event);
      waiting += line(event);
      if (events.length % BATCH === 0) flush().catch((error: Error) => (failed = error));
    },
    flush,
  };
}

const line = (event: TrainEvent): string =>
  `${JSON.stringify(event, (_, value: unknown) => (typeof value === "number" ? Number(value.toPrecision(9)) : value))}\n`;

const count = s.integer(0, Number.MAX_SAFE_INTEGER);
const any = s.real(-Number.MAX_VALUE, Number.MAX_VALUE);
const evaluated = { loss: any, perplexity: any, bitsPerByte: any, tokens: count, ms: any };

/** What an event holds. Fields of later releases are let through: nothing is computed from a log. */
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
  },
  experts: { step: count, name: s.text(), shares: s.list(s.list(any)) },
  eval: { step: count, whole: s.oneOf(true, false), ...evaluated },
  sample: { step: count, prompt: s.text(), text: s.text() },
  save: { step: count, file: s.text(), ms: any },
};

/**
 * Lines that are whole and hold an event. The last one may be torn, any may be damaged: a log is for people.
 */
export function parseLog(text: string): TrainEvent[] {
  return text.split("\n").flatMap((part) => {
    try {
      const event = JSON.parse(part) as unknown;
      return isEvent(event) ? [event] : [];
    } catch {
      return [];
    }
  });
}

function isEvent(value: unknown): value is TrainEvent {
  if (!s.isObject(value) || typeof value["kind"] !== "string" || !Object.hasOwn(fields, value["kind"]))
    return false;
  return Object.entries(fields[value["kind"] as TrainEvent["kind"]]).every(
    ([key, check]) => check(value[key], key) === undefined,
  );
}
