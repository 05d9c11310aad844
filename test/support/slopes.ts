/** Gradients of a differentiated graph against finite differences of its own outputs, both in f64. */
import { hyper } from "../../runtime/contract/control.ts";
import type { Graph, Value } from "../../compiler/3-graph/ir.ts";
import { elements, noise } from "../../bench/measure/kernel-numbers.ts";
import { interpret, type Numbers } from "./interpret.ts";

/** hyper.scale of `numbersFor`. */
export const SCALE = 0.125;

/** Parameters, and inputs: tokens and targets below `ids`, one target in five not counted. */
export function numbersFor(
  graph: Graph,
  ids: { readonly tokens: number; readonly targets: number },
): Numbers {
  const next = noise(2718);
  const fill = ({ name, shape, storage, init, control }: Value): Float64Array => {
    const values = new Float64Array(elements(shape));
    if (control === "hyper") values[hyper.scale] = SCALE;
    else if (name === "tokens") values.forEach((_, i) => (values[i] = (7 * i + 3) % ids.tokens));
    else if (name === "targets")
      values.forEach((_, i) => (values[i] = i % 5 === 2 ? -1 : (5 * i + 1) % ids.targets));
    else if (storage === "input") values.forEach((_, i) => (values[i] = next()));
    else if (init?.kind === "constant") values.fill(init.value);
    else values.forEach((_, i) => (values[i] = 0.5 * next()));
    return values;
  };
  return new Map(
    [...graph.values.values()]
      .filter((v) => (v.storage === "input" || v.storage === "parameter") && !v.members)
      .map((v) => [v.name, Array.from({ length: v.slices }, () => fill(v))]),
  );
}

/**
 * Worst |gradient − slope| / (1e-7 + 1e-4 · |slope|) over a few elements of each trained parameter.
 * `start`: the graph before it was differentiated; of what it leaves behind, `objective` makes the number.
 */
export function worstSlope(
  start: Graph,
  graph: Graph,
  given: Numbers,
  objective: (after: Numbers) => number,
): { readonly worst: number; readonly where: string; readonly largest: number } {
  const after = interpret(graph, given);
  let found = { worst: 0, where: "nowhere", largest: 0 };
  for (const gradient of [...graph.values.values()].filter((v) => v.storage === "gradient" && !v.members))
    for (const [slice, values] of after.get(gradient.name)!.entries())
      for (const at of probes(values.length)) {
        const value = given.get(gradient.of!)![slice]!;
        const before = value[at]!;
        const [up, down] = [EPS, -EPS].map((step) => {
          value[at] = before + step;
          return objective(interpret(start, given));
        });
        value[at] = before;
        const slope = (up! - down!) / (2 * EPS);
        const worst = Math.abs(values[at]! - slope) / (1e-7 + 1e-4 * Math.abs(slope));
        const largest = Math.max(found.largest, Math.abs(slope));
        if (worst > found.worst || Number.isNaN(worst))
          found = { worst, where: `${gradient.name}[${slice}][${at}]: ${values[at]}, not ${slope}`, largest };
        else found = { ...found, largest };
      }
  return found;
}

const EPS = 1e-5;
const PROBES = 2;
const probes = (length: number): number[] =>
  Array.from(
    { length: Math.min(PROBES, length) },
    (_, k) => Math.floor(((k + 0.37) * length) / PROBES) % length,
  );

/** Σ of these outputs, weighed by hyper.scale. */
export const sumOf =
  (names: readonly string[]) =>
  (after: Numbers): number =>
    names
      .flatMap((name) => after.get(name)!)
      .reduce((sum, slice) => sum + SCALE * slice.reduce((a, b) => a + b, 0), 0);
