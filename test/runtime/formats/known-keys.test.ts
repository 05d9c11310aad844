/** Tables of keys: how a key is found in them, how a refusal is worded, and the line about unknown keys. */
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import {
  ignoredKeysNote,
  knownKey,
  none,
  read,
  refused,
  refuseKeys,
  unknownKeys,
  type KeyTable,
} from "../../../runtime/base/known-keys.ts";

const table = {
  layers: read("number of layers", 3),
  clip: refused("values are clipped", [0, false], 8, "Take another file."),
  dropped: refused("heads are left out", (value) => value instanceof Map && value.size === 0, { 1: [2] }),
  "summary_*": none("heads of classifiers"),
  "a.*.b.*.c": none("a pattern of several parts"),
} satisfies KeyTable;

const refusal = (...pairs: readonly (readonly [string, unknown])[]): SinterError | undefined => {
  try {
    refuseKeys(table, pairs, "m/config.json");
  } catch (error) {
    return error as SinterError;
  }
  return undefined;
};

describe("a table of keys", () => {
  it("finds keys as they stand and by pattern, and no others", () => {
    expect(knownKey(table, "layers")).toBe(table.layers);
    expect(knownKey(table, "summary_type")).toBe(table["summary_*"]);
    expect(knownKey(table, "a.1.b.2.c")).toBe(table["a.*.b.*.c"]);
    expect(
      unknownKeys(table, ["layers", "summary", "__proto__", "toString", "a.b.c", "a.x.c", "a.x.b.y.cc"]),
    ).toEqual(["summary", "__proto__", "toString", "a.b.c", "a.x.c", "a.x.b.y.cc"]);
    expect(knownKey({ "ab*ba": none("") }, "aba")).toBeUndefined();
  });

  it("refuses by key, value and reason, and lets harmless values pass", () => {
    expect(
      refusal(
        ["clip", 0],
        ["clip", false],
        ["clip", null],
        ["dropped", new Map()],
        ["layers", 7],
        ["other", 1],
      ),
    ).toBeUndefined();
    expect(refusal(["clip", 8])).toMatchObject({
      kind: "input",
      message: "m/config.json: clip is 8: values are clipped",
      hint: "Take another file.",
    });
    expect(refusal(["clip", "0"])?.message).toContain('clip is "0"');
    expect(refusal(["dropped", new Map([["1", [2n]]])])?.message).toContain(
      'dropped is {"1":["2"]}: heads are left out',
    );
    expect(refusal(["clip", "x".repeat(500)])!.message.length).toBeLessThan(150);
  });

  it("names the rest in one printable line", () => {
    expect(ignoredKeysNote("config.json", [])).toBeUndefined();
    expect(ignoredKeysNote("config.json", ["a"])).toBe(
      "config.json has a key that is not known here, and is ignored: a",
    );
    expect(ignoredKeysNote("config.json", ["a", "b.c"])).toBe(
      "config.json has keys that are not known here, and are ignored: a, b.c",
    );
    const many = ignoredKeysNote("config.json", [
      "\n\u001b[31mred",
      ...Array.from({ length: 20 }, (_, i) => `key${i}`),
    ])!;
    expect(many).toMatch(/^[\x20-\x7e]+$/);
    expect(many).toMatch(/"\\n\\u001b\[31mred", key0, .*key10 and 9 more$/);
  });
});
