/**
 * Mutated specs: no exception, no hang, every complaint has a code and a place inside the text. 5,000 by
 * default; SINTER_FUZZ=200000 for all. The stream of mutants is the same in every run.
 */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { isCode } from "../../../compiler/diagnostics/messages.ts";
import { render } from "../../../compiler/diagnostics/render.ts";
import { root } from "../../support/paths.ts";
import { specs } from "../../support/sources.ts";

const COUNT = Number(process.env["SINTER_FUZZ"] ?? 5000);
const LIMIT_MS = 50;

const seeds = [
  ...specs.map((s) => s.text),
  ...readdirSync(`${root}/test/compiler/diagnostics/samples`)
    .filter((f) => f.endsWith(".sinter"))
    .map((f) => readFileSync(`${root}/test/compiler/diagnostics/samples/${f}`, "utf8")),
];
const scraps = [
  "{",
  "}",
  "(",
  ")",
  "=",
  "+=",
  "+",
  "-",
  "*",
  "/",
  "%",
  ":",
  ",",
  ".",
  "chosen.ratio",
  "sft {",
  "lora {",
  "on attention, mlp",
  "objective o = ",
  "//",
  "\n",
  "\r",
  " ",
  "model ",
  "like ",
  "let ",
  "layer {",
  "output ",
  "embed ",
  "train {",
  "expect parameters ",
  "x",
  "x += ",
  "h = ",
  "true",
  "1e999",
  "-0",
  "1_000",
  "0",
  "9007199254740993",
  "attention(",
  "mlp(",
  "linear(",
  "layernorm(x)",
  "width",
  "heads",
  "__proto__",
  "constructor",
  "*/",
  "${",
  "`",
  "\u2028",
  "\u0000",
  "\ud83d",
  "\ufeff",
  "\u202e",
  "((((((((",
  "{{{{{{{{",
  "1+1+1+1+1+1",
  "tied: true",
  "bias",
  "position",
  " alternate ",
  "dense, banded",
  "band 4",
  "rope: rope(",
  "theta: 5e5",
  "factor: 8",
  "original: 64",
  "experts(",
  "swiglu(",
  "top: 2",
  "window: 3",
  "qk_norm: rmsnorm(",
  "token",
  "rmsnorm(token",
  "rows documents",
];

function random(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

function mutate(text: string, next: (below: number) => number): string {
  let out = text;
  for (let n = 1 + next(1 + next(6)); n > 0; n--) {
    const at = next(out.length + 1);
    const length = next(20);
    const scrap = scraps[next(scraps.length)]!;
    switch (next(7)) {
      case 0:
        out = out.slice(0, at) + out.slice(at + length);
        break;
      case 1:
        out = out.slice(0, at) + scrap + out.slice(at);
        break;
      case 2:
        out = out.slice(0, at) + scrap + out.slice(at + length);
        break;
      case 3:
        out = out.slice(0, at) + out.slice(at, at + 4 * length) + out.slice(at);
        break;
      case 4:
        out =
          out.slice(0, at) + String.fromCharCode(next(4) === 0 ? next(65536) : next(128)) + out.slice(at + 1);
        break;
      case 5:
        out = out.slice(0, at);
        break;
      case 6: {
        const other = seeds[next(seeds.length)]!;
        const from = next(other.length + 1);
        out = out.slice(0, at) + other.slice(from, from + 10 * length) + out.slice(at);
        break;
      }
    }
  }
  return out;
}

/** Of this thread: other programs do not count. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

test(`${COUNT} mutants`, () => {
  const slow: string[] = [];
  const took: number[] = [];
  let accepted = 0;
  for (let i = 0; i < COUNT; i++) {
    const next = random(i * 2654435761 + 12345);
    const text = mutate(seeds[next(seeds.length)]!, next);
    const start = cpuMs();
    const { models, diagnostics } = checkSource(text);
    let ms = cpuMs() - start;
    // a pause of the machine is not a slow check: what is slow is slow again
    for (let again = 0; again < 10 && ms >= LIMIT_MS; again++) {
      const restart = cpuMs();
      checkSource(text);
      ms = Math.min(ms, cpuMs() - restart);
    }
    took.push(ms);
    if (ms >= LIMIT_MS) slow.push(`${ms.toFixed(0)} ms: ${JSON.stringify(text)}`);
    if (models.length > 0) accepted++;
    if (models.length === 0 && diagnostics.length === 0)
      throw new Error(`neither a model nor a complaint: ${JSON.stringify(text)}`);
    for (const d of diagnostics) {
      const inside = (s: { start: number; end: number }): boolean =>
        s.start >= 0 && s.end >= s.start && s.end <= text.length;
      if (!isCode(d.code) || !inside(d.span) || d.notes.some((n) => n.span && !inside(n.span)))
        throw new Error(`${d.code} ${JSON.stringify(d)} of ${JSON.stringify(text)}`);
      if (/undefined|NaN|\[object/.test(d.text + (d.help ?? "")))
        throw new Error(`${d.text} / ${d.help} of ${JSON.stringify(text)}`);
    }
    for (const d of diagnostics.slice(0, 5)) render(d, { name: "fuzz.sinter", text });
    if (i % 4 === 0) {
      const once = format(text).text;
      if (once !== undefined && format(once).text !== once)
        throw new Error(`fmt is not idempotent on ${JSON.stringify(text)}`);
    }
  }
  took.sort((a, b) => a - b);
  console.log(
    `${COUNT} mutants: ${accepted} with a model, median ${took[COUNT >> 1]!.toFixed(2)} ms, slowest ` +
      `${took.at(-1)!.toFixed(1)} ms`,
  );
  expect(slow).toEqual([]);
});
