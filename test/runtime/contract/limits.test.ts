/**
 * Ranges: what lies within them, how they are worded, and that every reader of them uses the same numbers.
 */
import { expect, test } from "vitest";
import { sampleFields, sizeFields, trainFields } from "../../../compiler/2-check/settings.ts";
import {
  isWithin,
  rangeText,
  real,
  realAbove,
  sampleRanges,
  sizeRanges,
  trainRanges,
  integer,
} from "../../../runtime/contract/limits.ts";
import { sampleDefaults } from "../../../runtime/contract/defaults.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";

test("what lies within a range", () => {
  expect([0, 1, 10, 11, 1.5, "1", NaN, undefined].map((v) => isWithin(integer(1, 10), v))).toEqual([
    false,
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
  expect([0, 1e-9, 1, 1.1, NaN, Infinity].map((v) => isWithin(realAbove(0, 1), v))).toEqual([
    false,
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(isWithin(real(0, 1), 0)).toBe(true);
  expect([integer(1, 4096), real(0, 10), realAbove(0, 1)].map(rangeText)).toEqual([
    "a whole number from 1 to 4096",
    "a number from 0 to 10",
    "a number above 0, at most 1",
  ]);
});

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

test("the language's settings are these ranges, all of them, and each default lies within", () => {
  const named = (ranges: object): string[] => Object.keys(ranges).map(snake).sort();
  const numbers = (fields: object): string[] =>
    Object.entries(fields)
      .filter(([, field]: [string, { kind: string }]) => field.kind === "whole" || field.kind === "real")
      .map(([name]) => name)
      .sort();
  expect(numbers(trainFields)).toEqual(named(trainRanges));
  expect(numbers(sampleFields)).toEqual(named(sampleRanges));
  const { hidden: _, window: __, ...sizes } = sizeRanges;
  expect(numbers(sizeFields)).toEqual([...named(sizes), "band"].sort());
  for (const [name, field] of Object.entries({ ...trainFields, ...sampleFields }))
    if (field.kind !== "word" && !("shown" in field && Number.isNaN(Number(field.shown))))
      expect(isWithin(field, field.initial!({})), name).toBe(true);
});

test("the sampler's defaults are the spec's", () => {
  const { repeatLast: _, ...defaults } = sampleDefaults; // no setting of a spec
  for (const [name, value] of Object.entries(defaults))
    expect(sampleFields[snake(name) as keyof typeof sampleFields].initial!({}), name).toBe(value);
  expect(samplerDefaults).toEqual(sampleDefaults);
});
