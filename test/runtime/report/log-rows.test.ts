/** The numbers of a log for other programs: as rows, as CSV, as event files. */
import { expect, test } from "vitest";
import { crc32c } from "../../../runtime/report/crc32c.ts";
import { csvOf } from "../../../runtime/report/csv.ts";
import { logRows } from "../../../runtime/report/log-rows.ts";
import { eventFile, eventFileName } from "../../../runtime/report/tensorboard.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import { parseLog } from "../../../runtime/train/log.ts";
import { decodedEvents } from "../../support/event-file.ts";
import { stepEvents } from "../../support/logged-runs.ts";

const evaluation = (step: number, loss: number, whole = false): TrainEvent => ({
  kind: "eval",
  step,
  loss,
  perplexity: Math.exp(loss),
  bitsPerByte: 2,
  tokens: 9,
  ms: 1000,
  whole,
});
const events = [...stepEvents(2), evaluation(2, 3.5), ...stepEvents(3).slice(2), evaluation(3, 3.25, true)];

test("a row a step, evaluations beside their step, time without pauses", () => {
  const rows = logRows(events);
  expect(rows.map(({ step, tokens, seconds }) => [step, tokens, seconds])).toEqual([
    [1, 64, 0.25],
    [2, 128, 1.5],
    [3, 192, 2.75],
  ]);
  expect(Object.fromEntries(rows[1]!.figures)).toEqual({
    "train/loss": 3,
    lr: 1e-3,
    grad_norm: 1,
    tokens: 128,
    tokens_per_second: 256,
    "val/loss": 3.5,
    "val/perplexity": Math.exp(3.5),
    "val/bits_per_byte": 2,
  });
  expect(rows[2]!.figures.get("val_all/loss")).toBe(3.25);
  expect(rows[2]!.figures.has("val/loss")).toBe(false);
});

test("metrics keep the field's names, unless these are taken", () => {
  const metrics = { "rewards/margins": 0.5, step: 7, lr: 8 };
  const [row] = logRows([
    ...stepEvents(1, () => ({ metrics })),
    { kind: "eval", step: 1, metrics: { "rewards/margins": 0.75 }, tokens: 5, ms: 1, whole: false },
  ]);
  const { figures } = row!;
  expect(figures.get("rewards/margins")).toBe(0.5);
  expect(figures.get("eval_rewards/margins")).toBe(0.75);
  expect([figures.get("metrics/step"), figures.get("metrics/lr"), figures.get("lr")]).toEqual([7, 8, 1e-3]);
});

test("CSV: columns in their order, empty cells, names that need quotes", () => {
  expect(
    csvOf([{ name: "a", rows: logRows(events) }])
      .split("\n")
      .slice(0, 3),
  ).toEqual([
    "step,timestamp,train/loss,val/loss,val/perplexity,val/bits_per_byte,val_all/loss," +
      "val_all/perplexity,val_all/bits_per_byte,lr,grad_norm,tokens,tokens_per_second",
    "1,2026-01-01T00:00:01.000Z,5,,,,,,,0.001,1,64,256",
    `2,2026-01-01T00:00:02.000Z,3,3.5,${Math.exp(3.5)},2,,,,0.001,1,128,256`,
  ]);
  const odd = logRows(stepEvents(1, () => ({ metrics: { 'a "b", c': 1 } })));
  const two = csvOf([
    { name: "x,y", rows: odd },
    { name: "z", rows: logRows(events) },
  ]);
  expect(two).toContain(',"a ""b"", c"\n"x,y",1,');
  expect(two.split("\n")[0]).toMatch(/^run,step,timestamp,/);
});

test("a log of an earlier release has no times: no such column, and seconds since the start", () => {
  const rows = logRows(events.map(({ time: _, ...event }) => event));
  expect(csvOf([{ name: "a", rows }]).split("\n")[0]).toMatch(/^step,train\/loss/);
  expect(decodedEvents(eventFile(rows)).map(({ wallTime }) => wallTime)).toEqual([0.25, 0.25, 1.5, 2.75]);
  expect(eventFileName(rows)).toBe("events.out.tfevents.0.sinter");
});

test("CRC-32C: the vectors of RFC 3720, appendix B.4", () => {
  const bytes = (value: (i: number) => number): Uint8Array =>
    Uint8Array.from({ length: 32 }, (_, i) => value(i));
  expect(crc32c(bytes(() => 0))).toBe(0x8a9136aa);
  expect(crc32c(bytes(() => 255))).toBe(0x62a8ab43);
  expect(crc32c(bytes((i) => i))).toBe(0x46dd794e);
  expect(crc32c(bytes((i) => 31 - i))).toBe(0x113fdb5c);
});

test("event files: a version, then a step's numbers as float32 with its time", () => {
  const rows = logRows(events);
  const [version, ...steps] = decodedEvents(eventFile(rows));
  expect(version).toEqual({ wallTime: 1767225601, version: "brain.Event:2", step: 0, values: {} });
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3]);
  for (const [i, { wallTime, values }] of steps.entries()) {
    expect(wallTime).toBe(Date.parse(rows[i]!.time!) / 1000);
    const expected = [...rows[i]!.figures].map(([name, value]) => [name, Math.fround(value)]);
    expect(values).toEqual(Object.fromEntries(expected));
  }
  expect(eventFileName(rows)).toBe("events.out.tfevents.1767225601.sinter");
  const bytes = eventFile(rows);
  bytes[40]! ^= 1;
  expect(() => decodedEvents(bytes)).toThrow(/checksum/);
});

test("an event's time survives the log, and is no metric", () => {
  const [event] = stepEvents(1);
  expect(parseLog(`${JSON.stringify(event)}\n`)).toEqual([event]);
});
