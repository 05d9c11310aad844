/** A table of options makes the parser's declarations and the typed values; mistakes name the option. */
import { Command } from "commander";
import { expect, expectTypeOf, test } from "vitest";
import {
  declareOptions,
  flag,
  named,
  negation,
  oneWord,
  optionalText,
  read,
  readOptions,
  real,
  required,
  text,
  texts,
  whole,
  withDefault,
  type Options,
} from "../../../../app/cli/options/option.ts";

const table = {
  out: required(text("<dir>", "folder", { short: "o" })),
  topK: whole("<k>", "likeliest tokens", { least: 0, most: 100 }),
  keep: withDefault("3", whole("<n>", "checkpoints", { least: 1 })),
  temp: real("<t>", "temperature", { least: 0 }),
  target: read(text("<name>", "target"), (given) => named("target", ["simd", "wide"], given)),
  whenFull: read(text("<what>", "full"), (given, name) => oneWord(["shift", "stop"], given, name, " or ")),
  stop: texts("<text>", "ends"),
  dump: optionalText("[stage]", "stages"),
  tune: text("<file>", "tiles"),
  noTune: negation("tune", "own tiles"),
  json: flag("for programs"),
};

function values(...argv: readonly string[]): Options<typeof table> {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  declareOptions(command, table);
  command.parse(["-o", "out", ...argv], { from: "user" });
  return readOptions(table, command.opts());
}

test("what is not given is undefined, false, or the default", () => {
  expect(values()).toEqual({
    out: "out",
    topK: undefined,
    keep: 3,
    temp: undefined,
    target: undefined,
    whenFull: undefined,
    stop: undefined,
    dump: undefined,
    tune: undefined,
    noTune: false,
    json: false,
  });
});

test("every kind is read, and has its type", () => {
  const given = ["--top-k", "1_0", "--keep", "5", "--temp", "0.5", "--target", "wide", "--when-full", "stop"];
  const o = values(...given, "--stop", "a", "--stop", "b", "--dump", "--json", "--tune", "x", "--no-tune");
  expect(o).toMatchObject({ topK: 10, keep: 5, temp: 0.5, target: "wide", whenFull: "stop" });
  expect(o).toMatchObject({ stop: ["a", "b"], dump: true, json: true, tune: undefined, noTune: true });
  expect(values("--no-tune", "--tune", "x")).toMatchObject({ tune: "x", noTune: false });
  expect(values("--dump", "fuse").dump).toBe("fuse");
  expectTypeOf(o.out).toEqualTypeOf<string>();
  expectTypeOf(o.keep).toEqualTypeOf<number>();
  expectTypeOf(o.topK).toEqualTypeOf<number | undefined>();
  expectTypeOf(o.target).toEqualTypeOf<"simd" | "wide" | undefined>();
});

test.each([
  [["--top-k", "101"], "--top-k takes a whole number from 0 to 100, not `101`", undefined],
  [["--top-k", "1.5"], "--top-k takes a whole number from 0 to 100, not `1.5`", undefined],
  [["--keep", "0"], "--keep takes a whole number from 1, not `0`", undefined],
  [["--temp", " "], "--temp takes a number from 0, not ` `", undefined],
  [["--temp", "Infinity"], "--temp takes a number from 0, not `Infinity`", undefined],
  [["--target", "wid"], "there is no target `wid`", "targets: simd, wide; did you mean wide?"],
  [["--when-full", "x"], "--when-full takes shift or stop, not `x`", undefined],
] as const)("%j is a mistake in the command", (argv, message, hint) => {
  expect(() => values(...argv)).toThrow(expect.objectContaining({ kind: "usage", message, hint }));
});
