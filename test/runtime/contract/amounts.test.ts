/**
 * Amounts are written in the same way everywhere: the functions that do it, and that no other place in the
 * sources writes a size with its unit.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { duration, rateText, sizeText, thousands, timeText } from "../../../runtime/contract/amounts.ts";
import { inProject } from "../../support/paths.ts";

describe("amounts", () => {
  test.each([
    [0, "0 bytes"],
    [1, "1 byte"],
    [1023, "1023 bytes"],
    [1024, "1 KiB"],
    [225_000, "220 KiB"],
    [2 ** 20 - 1, "1.00 MiB"],
    [1.1 * 2 ** 20, "1.10 MiB"],
    [41.63 * 2 ** 20, "41.6 MiB"],
    [1010.4 * 2 ** 20, "1,010 MiB"],
    [2 ** 32, "4 GiB"],
    [3501.3 * 2 ** 20, "3.42 GiB"],
    [175e9 * 4, "652 GiB"],
    [12_345.6 * 2 ** 30, "12.1 TiB"],
    [5 * 2 ** 60, "5,120 PiB"],
  ])("a size of %d bytes is %s", (bytes, text) => expect(sizeText(bytes)).toBe(text));

  test.each([
    [0.4234, "0.42 tok/s"],
    [9.996, "10.0 tok/s"],
    [42.61, "42.6 tok/s"],
    [99.96, "100 tok/s"],
    [27_100.4, "27,100 tok/s"],
  ])("a rate of %d is %s", (rate, text) => expect(rateText(rate)).toBe(text));

  test.each([
    [0.0123, "12.3 µs"],
    [1.2, "1.20 ms"],
    [54.21, "54.2 ms"],
    [450.4, "450 ms"],
    [9_999, "9,999 ms"],
    [12_000, "12.0 s"],
  ])("%d ms are %s", (ms, text) => expect(timeText(ms)).toBe(text));

  test.each([
    [0, "0 s"],
    [59.6, "1 min 0 s"],
    [185, "3 min 5 s"],
    [7_805, "2 h 10 min"],
    [371_000, "4 d 7 h"],
    [NaN, "?"],
    [Infinity, "?"],
  ])("%d seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text));

  test.each([
    [7, "7"],
    [1234, "1,234"],
    [124_439_808, "124,439,808"],
  ])("%d is %s", (n, text) => expect(thousands(n)).toBe(text));
});

/**
 * A number at the end of a template, followed by a unit of bytes. Rates ("GB/s") count 1e9 bytes, as usual in
 * the field.
 */
/** Programs that stand by themselves: examples for strangers, and texts of Python. */
const standsAlone = /node_modules|^dist\b|^examples\/|^torch\/.*-py\.ts$/;
const ownSize = /\} ?(?:kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)\b(?!\/s)|toLocaleString\("en-US"\)/;

test.each(["compiler/", "runtime/", "bench/", "app/"])(
  "sources in %s write sizes and counts by these functions alone",
  (folder) => {
    const root = inProject(folder);
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
      (f) => f.endsWith(".ts") && !standsAlone.test(f),
    );
    expect(files.length).toBeGreaterThan(10);
    const found = files.flatMap((file) =>
      readFileSync(join(root, file), "utf8")
        .split("\n")
        .flatMap((line, i) => (ownSize.test(line) ? [`${folder}${file}:${i + 1}  ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  },
);
