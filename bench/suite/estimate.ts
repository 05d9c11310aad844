/**
 * Estimates how long a bench takes, before it begins and while it runs. The figures here were measured on two
 * quiet cores (2026-11-27). While it runs, the time of the finished parts corrects the estimate.
 */
import { LONG } from "./section.ts";
import { opCases, workOf, type OpCase } from "./op-cases.ts";

export interface Part {
  readonly title: string;
  readonly seconds: number;
}

export interface Asked {
  /** Targets × numbers of workers. */
  readonly rows: number;
  /** Milliseconds per operation. */
  readonly ms: number;
  readonly all: boolean;
  /** For each row of training. */
  readonly processes: number;
  wanted(title: string): boolean;
}

/**
 * Seconds per byte that an operation touches, for drawing numbers and computing the reference. Quantised rows
 * have to be decoded for it.
 */
const PER_BYTE = 2.2e-8;
const PER_QUANTISED_BYTE = 2e-7;
const PER_CASE = 0.15;
/** Seconds for a module of an operation's kernels, for each target and number of workers. */
const PER_MODULE = 0.4;
/** Warm-up and samples take this multiple of the time asked for; whole steps and prompts ten times that. */
const PER_MS = 1.5e-3;
/** Seconds for reading the limits before and after each figure. */
const PER_LIMITS = 0.1;
/** Seconds of compilation, and the least that a measurement takes: five steps or three prompts. */
const models: readonly { readonly title: RegExp; readonly compile: number; readonly least: number }[] = [
  { title: /^train S$/, compile: 5, least: 1 },
  { title: /^train M$/, compile: 6, least: 8 },
  { title: /gpt2$/, compile: 12, least: 15 },
  { title: /./, compile: 8, least: 6 },
];

function caseSeconds(each: OpCase, { rows, ms }: Asked): number {
  const { bytes } = workOf(each);
  const perByte = /quantised|integer|q8/.test(each.name) ? PER_QUANTISED_BYTE : PER_BYTE;
  return PER_CASE + bytes * perByte + rows * (ms * PER_MS + PER_LIMITS);
}

function modelSeconds(title: string, { rows, ms, processes }: Asked): number {
  const { compile, least } = models.find((m) => m.title.test(title))!;
  const further = title.startsWith("train ") ? rows * (processes - 1) : 0;
  const row = Math.max(least, LONG * ms * PER_MS);
  return compile + rows * row + further * (FURTHER_PROCESS + row);
}
/** Seconds for starting a process and reading its limits; the kernels are compiled by then. */
const FURTHER_PROCESS = 3;

export function partsOf(asked: Asked, titles: readonly string[]): Part[] {
  const cases = new Map(opCases(asked.all).map((c) => [c.title, c]));
  const compiled = new Set<string>();
  return titles.filter(asked.wanted).map((title) => {
    const each = cases.get(title);
    if (!each) return { title, seconds: modelSeconds(title, asked) };
    const module = compiled.has(each.name) ? 0 : PER_MODULE * asked.rows;
    compiled.add(each.name);
    return { title, seconds: module + caseSeconds(each, asked) };
  });
}

/** A rounded number of seconds, because it is a guess. */
export function aboutText(seconds: number): string {
  if (seconds < 20) return `${Math.ceil(seconds)} s`;
  return seconds < 100 ? `${10 * Math.round(seconds / 10)} s` : `${Math.round(seconds / 60)} min`;
}

/** How far a bench has come, and how long the rest takes. */
export class BenchProgress {
  readonly #parts: readonly Part[];
  readonly #total: number;
  readonly #began: number;
  readonly #finished = new Set<string>();
  readonly #now: () => number;
  #current: string | undefined;

  constructor(parts: readonly Part[], now: () => number = () => performance.now()) {
    this.#parts = parts;
    this.#total = parts.reduce((sum, p) => sum + p.seconds, 0);
    this.#now = now;
    this.#began = now();
  }

  /** "3 of 18, about 40 s left: matmul 256×768×768". Whatever was worked on before is finished. */
  at(title: string): string {
    if (this.#current !== undefined && this.#current !== title) this.#finished.add(this.#current);
    this.#current = title;
    const done = this.#parts.filter((p) => this.#finished.has(p.title));
    const planned = done.reduce((sum, p) => sum + p.seconds, 0);
    const pace = planned === 0 ? 1 : (this.#now() - this.#began) / 1000 / planned;
    const place = Math.min(this.#parts.length, done.length + 1);
    return (
      `${place} of ${this.#parts.length}, about ${aboutText((this.#total - planned) * pace)} left: ` +
      `${title}`
    );
  }
}

export const planLine = (parts: readonly Part[], rows: number): string => {
  const seconds = parts.reduce((sum, p) => sum + p.seconds, 0);
  const each = `${rows} ${rows === 1 ? "figure" : "figures"} each`;
  return (
    `plan      ${parts.length} ${parts.length === 1 ? "case" : "cases"}, ${each}: about ` +
    `${aboutText(seconds)}, longer where other programs run`
  );
};
