/**
 * What one token costs: the arithmetic of the entry `decode` at the end of a full context, and the bytes that
 * it moves at least, weights in f32. Counted kernel by kernel, as operations say it themselves.
 */
import { buildGraph } from "../3-graph/build.ts";
import { partOfNode } from "../3-graph/part-of.ts";
import { callBytes, callFlops, tileGraph, type Call } from "../6-tile/program.ts";
import type { Model } from "../../runtime/contract/model.ts";
import type { ParameterSection } from "../../runtime/contract/parameter-names.ts";

export interface Cost {
  /** Floating-point operations. */
  readonly flops: number;
  readonly bytes: number;
}

export interface TokenCosts {
  readonly whole: Cost;
  /** Of one part, as often as one token goes through it: in a layer, once for each layer. */
  part(section: ParameterSection, name: string): Cost;
}

const nothing: Cost = { flops: 0, bytes: 0 };
const sum = (costs: readonly Cost[]): Cost =>
  costs.reduce((a, b) => ({ flops: a.flops + b.flops, bytes: a.bytes + b.bytes }), nothing);

export function tokenCosts(model: Model): TokenCosts {
  // a target's tiles change neither number
  const program = tileGraph(buildGraph(model, { entry: "decode", rows: 1 }), "simd");
  const calls = program.sections.flatMap(({ role, times, calls: all }) =>
    all.map((call) => ({ part: partOfNode(model, role, call.node), cost: costOf(call, times) })),
  );
  return {
    whole: sum(calls.map(({ cost }) => cost)),
    part: (section, name) =>
      sum(
        calls.filter(({ part }) => part?.section === section && part.part === name).map(({ cost }) => cost),
      ),
  };
}

const costOf = (call: Call, times: number): Cost => ({
  flops: times * callFlops(call),
  bytes: times * callBytes(call),
});
