/**
 * The cases of operations that are timed: those of the op files that are large enough, and sizes that are too
 * large for tests.
 */
import { leastTraffic, touchedBytes, type Attrs, type Case, type Op } from "../../compiler/ops/kit/op.ts";
import { shapeOf } from "../../compiler/ops/kit/signature.ts";
import { ops, type OpName } from "../../compiler/ops/index.ts";
import { elements } from "../measure/kernel-numbers.ts";
import type { Work } from "../measure/judged.ts";
import type { Arithmetic } from "../measure/limits.ts";

export interface OpCase {
  readonly name: OpName;
  readonly op: Op;
  readonly c: Case;
  /** "matmul 256×768×3072 gelu": what a filter chooses from. */
  readonly title: string;
}

const product = (M: number, K: number, N: number): Case => ({ d: { M, K, N } });
const cubes = [32, 64, 128, 256, 512, 1024].map((n) => product(n, n, n));

/**
 * Sizes for the chart of speed over size; GPT-2's output layer, forward and backward in a block of 128 rows;
 * and its products for one token.
 */
const benchOnly: Partial<Record<OpName, readonly Case[]>> = {
  matmul: [
    ...cubes,
    product(128, 50257, 768),
    ...[
      [768, 2304],
      [768, 3072],
      [3072, 768],
    ].map(([K, N]) => product(1, K!, N!)),
  ],
  matmul_nt: [product(128, 768, 50257), product(256, 768, 50257), product(1, 768, 50257)],
  matmul_tn: [product(50257, 128, 768)],
};
/** Smaller tensors are there for the tests. */
const LEAST_ELEMENTS = 30_000;

export const attrsOf = (op: Op, c: Case): Attrs => ({ ...op.attrs, ...c.attrs });
const present = (op: Op, c: Case) => op.tensors.filter((t) => !t.optional || c.with?.includes(t.name));
/** Elements of the largest tensor. */
export const largest = ({ op, c }: OpCase): number =>
  Math.max(...present(op, c).map((t) => elements(shapeOf(t, c.d))));
export const flopsOf = ({ op, c }: OpCase): number => op.flops(c.d, attrsOf(op, c));
const arithmeticOf = ({ name, op, c }: OpCase): Arithmetic => {
  if (name === "attention_cached_q8") return "q8_0";
  const isInteger = name === "matmul_integer" || name === "grouped_integer";
  return isInteger ? (attrsOf(op, c)["format"] as Arithmetic) : "f32";
};
export function workOf(each: OpCase): Work {
  const { op, c } = each;
  const has = (name: string): boolean => present(op, c).some((t) => t.name === name);
  return {
    flops: flopsOf(each),
    bytes: leastTraffic(op, c.d, attrsOf(op, c), has),
    touches: touchedBytes(op, c.d, attrsOf(op, c), has),
    arithmetic: arithmeticOf(each),
  };
}

/** "256×768×3072 bias gelu": dimensions in the signature's order, then what else makes this case. */
export function sizesOf({ op, c }: Pick<OpCase, "op" | "c">): string {
  const special = Object.entries(c.attrs ?? {}).filter(([key, value]) => value !== op.attrs?.[key]);
  const attributes = special.map(([key, value]) => (typeof value === "string" ? value : `${key}=${value}`));
  return [Object.values(c.d).join("×"), ...attributes, ...(c.with ?? [])].join(" ");
}

/** `all`: small cases too, which are the tests' and time mostly the call. */
export const opCases = (all: boolean): OpCase[] =>
  (Object.entries(ops) as [OpName, Op][]).flatMap(([name, op]) =>
    [
      ...op.cases.filter((c) => all || largest({ name, op, c, title: "" }) >= LEAST_ELEMENTS),
      ...(benchOnly[name] ?? []),
    ].map((c) => ({ name, op, c, title: `${name} ${sizesOf({ op, c })}` })),
  );

const forms: Partial<Record<OpName, string>> = { matmul: "", matmul_nt: "nt:", matmul_tn: "tn:" };

/** "nt:256x768x3072" where the case is a product alone, which other libraries have too. */
export function productOf({ name, c }: OpCase): string | undefined {
  const form = forms[name];
  const { M, K, N } = c.d;
  return form === undefined || c.with?.length || Object.keys(c.attrs ?? {}).length
    ? undefined
    : `${form}${M}x${K}x${N}`;
}

/** n of a product [n,n] · [n,n] that is called "NxNxN". */
export function cubeOf(product: string | undefined): number | undefined {
  const [M, K, N] = (product ?? "").split("x").map(Number);
  return M !== undefined && M === K && K === N && M > 0 ? M : undefined;
}

/**
 * A quick case has enough work that the call does not count, and tensors so small that drawing the numbers
 * does not.
 */
const QUICK_FLOPS = 1e9;
const QUICK_ELEMENTS = 2e6;

/**
 * For a quick bench: of each operation, the case with most work that is quick, or else its smallest; of other
 * names, the first of each kind.
 */
export function quickTitles(titles: readonly string[]): string[] {
  const cases = new Map(opCases(true).map((c) => [c.title, c]));
  const kinds = Map.groupBy(titles, (title) => title.split(" ")[0]!);
  return [...kinds.values()].map((group) => {
    const rows = group.flatMap((title) => cases.get(title) ?? []);
    const easy = rows.filter((c) => flopsOf(c) <= QUICK_FLOPS && largest(c) <= QUICK_ELEMENTS);
    if (easy.length > 0) return easy.reduce((most, c) => (flopsOf(c) > flopsOf(most) ? c : most)).title;
    return rows.length === 0
      ? group[0]!
      : rows.reduce((least, c) => (largest(c) < largest(least) ? c : least)).title;
  });
}
