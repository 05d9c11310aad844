/**
 * What other programs read of ours, read by other programs: event files by protoc and Python's crc32c, CSV by
 * Python's csv with the rules of trackio's import. Where one is not here, its tests are skipped and say so;
 * log-rows.test.ts holds the same in TypeScript.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { csvOf } from "../../../runtime/report/csv.ts";
import { logRows } from "../../../runtime/report/log-rows.ts";
import { eventFile } from "../../../runtime/report/tensorboard.ts";
import { PYTHON, pythonHas } from "../../support/debian-python.ts";
import { records } from "../../support/event-file.ts";
import { stepEvents } from "../../support/logged-runs.ts";

const runs = (command: string, ...args: readonly string[]): boolean => spawnSync(command, args).status === 0;
const lacking = {
  protoc: runs("protoc", "--version") ? "" : "no protoc here: apt-get install protobuf-compiler",
  crc32c: pythonHas("crc32c") ? "" : "no crc32c here: apt-get install python3-crc32c",
  python: pythonHas("csv") ? "" : "no python3 here",
};
const skipped = (why: string): string => (why === "" ? "" : ` (skipped: ${why})`);

const folder = mkdtempSync(join(tmpdir(), "sinter-outside-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const metrics = { "rewards/margins": 0.125, 'a "b", c': 2 };
const rows = logRows([
  ...stepEvents(3, (step) => (step === 2 ? { metrics } : {})),
  { kind: "eval", step: 3, loss: 2.5, tokens: 5, ms: 1, whole: false },
]);
const file = eventFile(rows);

/** Of event.proto and summary.proto, the fields that are written. */
const PROTO = `syntax = "proto3";
message Value { string tag = 1; float simple_value = 2; }
message Summary { repeated Value value = 1; }
message Event {
  double wall_time = 1;
  int64 step = 2;
  string file_version = 3;
  Summary summary = 5;
}
`;

describe.skipIf(lacking.protoc !== "")(`protoc${skipped(lacking.protoc)}`, () => {
  test("decodes every record by the field numbers of event.proto", () => {
    writeFileSync(join(folder, "event.proto"), PROTO);
    const decoded = records(file).map((input) =>
      execFileSync("protoc", [`-I${folder}`, "--decode=Event", "event.proto"], { input, encoding: "utf8" }),
    );
    expect(decoded[0]).toBe('wall_time: 1767225601\nfile_version: "brain.Event:2"\n');
    expect(decoded[2]).toMatch(/^wall_time: 1767225602\nstep: 2\nsummary \{\n/);
    expect(decoded[2]).toContain('  value {\n    tag: "rewards/margins"\n    simple_value: 0.125\n  }\n');
    expect(decoded[3]).toContain('  value {\n    tag: "val/loss"\n    simple_value: 2.5\n  }\n');
    expect(decoded.join("")).not.toMatch(/^\s*\d+:/m); // a field that the .proto does not know
  });
});

describe.skipIf(lacking.crc32c !== "")(`Python's crc32c${skipped(lacking.crc32c)}`, () => {
  test("agrees with both checksums of every record", () => {
    const path = join(folder, "events");
    writeFileSync(path, file);
    const program = `
import struct, sys
from crc32c import crc32c
def masked(data):
    c = crc32c(data)
    return ((c >> 15 | c << 17) + 0xa282ead8) & 0xffffffff
data, at, count = open(sys.argv[1], "rb").read(), 0, 0
while at < len(data):
    (length,) = struct.unpack_from("<Q", data, at)
    assert struct.unpack_from("<I", data, at + 8)[0] == masked(data[at:at + 8])
    body = data[at + 12:at + 12 + length]
    assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body)
    at, count = at + 16 + length, count + 1
print(count)
`;
    expect(execFileSync(PYTHON, ["-c", program, path], { encoding: "utf8" })).toBe(`${rows.length + 1}\n`);
  });
});

describe.skipIf(lacking.python !== "")(`Python's csv${skipped(lacking.python)}`, () => {
  test("finds a step, a timestamp, and else columns of numbers whose cells may be empty", () => {
    const path = join(folder, "run.csv");
    writeFileSync(path, csvOf([{ name: "a", rows }]));
    const program = `
import csv, json, sys
from datetime import datetime
rows = list(csv.DictReader(open(sys.argv[1], newline="")))
[step] = [name for name in rows[0] if name.lower() == "step"]
metrics = [name for name in rows[0] if name not in (step, "timestamp")]
for row in rows:
    int(row[step])
    datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00"))
values = [{name: float(row[name]) for name in metrics if row[name] != ""} for row in rows]
print(json.dumps(values))
`;
    const read: unknown = JSON.parse(execFileSync(PYTHON, ["-c", program, path], { encoding: "utf8" }));
    expect(read).toEqual(rows.map(({ figures }) => Object.fromEntries(figures)));
  });
});
