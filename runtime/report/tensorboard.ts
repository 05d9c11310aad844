/**
 * The numbers of a run as an event file of TensorBoard: records of length, masked CRC of it, message, masked
 * CRC of that, all little-endian (tensorboard/summary/writer/record_writer.py). Messages are of event.proto
 * and summary.proto: the first says the version, each of the others the numbers of a step.
 */
import { concat } from "../base/bytes.ts";
import { double, float, int, message, string, type Bytes } from "../base/protobuf-write.ts";
import { crc32c } from "./crc32c.ts";
import type { LogRow } from "./log-rows.ts";

/** Field numbers of the messages. */
const event = { wallTime: 1, step: 2, version: 3, summary: 5 } as const;
const summary = { value: 1, tag: 1, simpleValue: 2 } as const;
const VERSION = "brain.Event:2";

/** Seconds since 1970; where the log does not say when, since the run's start. */
const wallTime = ({ time, seconds }: LogRow): number => {
  const at = time === undefined ? NaN : Date.parse(time) / 1000;
  return Number.isFinite(at) ? at : seconds;
};

export function eventFile(rows: readonly LogRow[]): Bytes {
  const began = rows[0] ? wallTime(rows[0]) : 0;
  const version = concat([double(event.wallTime, began), string(event.version, VERSION)]);
  return concat([version, ...rows.map(stepEvent)].map(record));
}

function stepEvent(row: LogRow): Bytes {
  const values = [...row.figures].map(([tag, value]) =>
    message(summary.value, [string(summary.tag, tag), float(summary.simpleValue, value)]),
  );
  return concat([
    double(event.wallTime, wallTime(row)),
    int(event.step, row.step),
    message(event.summary, values),
  ]);
}

/**
 * The name that TensorBoard looks for. It follows from the run's start, so that the same run is written over
 * and does not stand there twice.
 */
export const eventFileName = (rows: readonly LogRow[]): string =>
  `events.out.tfevents.${Math.floor(rows[0] ? wallTime(rows[0]) : 0)}.sinter`;

function record(data: Bytes): Bytes {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(data.length), true);
  return concat([length, masked(length), data, masked(data)]);
}

/** Masked, because a CRC of bytes that hold their own CRC says little. */
function masked(bytes: Uint8Array): Bytes {
  const crc = crc32c(bytes);
  const out = new Uint8Array(4);
  new DataView(out.buffer).setUint32(0, (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0, true);
  return out;
}
