/** A mixture of experts (Shazeer et al. 2017) as nodes. */
import type { Part } from "../../runtime/contract/model.ts";
import {
  activation,
  declare,
  emit,
  initialStd,
  input,
  isTraining,
  parameter,
  shownName,
  type Builder,
} from "./builder.ts";
import { LINE_COLUMNS, linesOf } from "../ops/kit/lines.ts";
import type { Ref } from "./ir.ts";
import { linear, partName, residualStd } from "./linear.ts";

/**
 * Router, sorting, the experts' products, and the sum of their results; in training also the load-balancing
 * loss. Rows are sorted by expert first, so that each expert multiplies rows that lie side by side.
 */
export function experts(b: Builder, p: Extract<Part, { part: "experts" }>, x: Ref, rows: number): Ref {
  const name = partName(b, p);
  const S = rows * p.top;
  const E = p.count;
  const indices = (stem: string, shape: readonly number[]): Ref =>
    declare(b, `${name}.${stem}`, shape, "activation", { dtype: "i32" });
  const logits = linear(b, `${name}.router`, x, rows, p.width, E, false, initialStd(b));
  const weights = activation(b, `${name}.weights`, [rows, p.top]);
  const choice = indices("choice", [rows, p.top]);
  const slots = indices("slots", [rows, p.top]);
  const sources = indices("sources", [S]);
  // in training this is an output: people want to see how evenly the experts are used
  const shown = (stem: string): string => shownName(b, `${name}.${stem}`);
  const starts = isTraining(b)
    ? declare(b, shown("starts"), [E + 1], "output", { dtype: "i32" })
    : indices("starts", [E + 1]);
  emit(b, "route", { logits }, { weights, choice }, { renormalise: p.renormalise });
  const liveRows = b.live;
  const liveSlots = liveRows && indices("live_slots", [1]);
  emit(b, "dispatch", { choice }, { slots, sources, starts, live_slots: liveSlots });
  if (isTraining(b) && p.balance > 0) {
    const targets = input(b, "targets", [rows]);
    const loss = declare(b, shown("balance"), [1], "output");
    emit(b, "balance", { logits, choice, targets }, { loss }, { factor: p.balance });
    b.objective.push({ value: loss });
  }
  const grouped = (inner: string, a: Ref, K: number, N: number, std: number): Ref => {
    const out = activation(b, `${name}.${inner}.out`, [S, N]);
    const weight = parameter(b, `${name}.${inner}.weight`, [E, K, N], { kind: "normal", std });
    emit(b, "grouped_matmul", { a, b: weight, starts }, { out });
    return out;
  };
  const sorted = activation(b, `${name}.sorted`, [S, p.width]);
  const hidden = activation(b, `${name}.hidden`, [S, p.hidden]);
  const out = activation(b, `${name}.out`, [rows, p.width]);
  b.live = liveSlots;
  emit(b, "to_slots", { x, sources, slots }, { out: sorted });
  const gate = p.gated ? grouped("gate", sorted, p.width, p.hidden, initialStd(b)) : undefined;
  const up = grouped("up", sorted, p.width, p.hidden, initialStd(b));
  if (gate) emit(b, "gated", { gate, up }, { out: hidden }, { activation: p.activation });
  else {
    const bend = activation(b, `${name}.bend`, [linesOf(p.hidden), S, LINE_COLUMNS]);
    emit(b, "activate", { x: up }, { out: hidden, bend }, { activation: p.activation });
  }
  const y = grouped("down", hidden, p.hidden, p.width, residualStd(b));
  b.live = liveRows;
  emit(b, "from_slots", { y, weights, slots, sources }, { out });
  return out;
}
