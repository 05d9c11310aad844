/**
 * Checked model → graph of one entry, forward only, one node per mathematical step; nothing is fused yet.
 *
 *   train, evaluate   tokens, targets [B·T] → per-token losses, their sum; where the job says so, weights [B·T]
 *                     of the losses are an input, log-probabilities [B·T] an output
 *   prefill, decode   tokens [chunk] at position `place` → logits [1, V] of the last real row; keys and
 *                     values go to the cache. V = columns of the output: those of the vocabulary, or fewer
 *
 * Of a model that several memories hold, a graph is one stretch: rows [R, width] come in as `x_in` where it
 * does not begin with the embedding, and leave as `x_out` where it does not end with the output (cut.ts).
 */
import type { Assignment, Expression, Model } from "../../runtime/contract/model.ts";
import { layerTables } from "./build-attention.ts";
import {
  activation,
  declare,
  emit,
  initialStd,
  input,
  isExtending,
  isTraining,
  layersOf,
  parameter,
  place,
  section,
  type Builder,
  type Job,
} from "./builder.ts";
import { whole, type Graph, type Ref, type Section } from "./ir.ts";
import { tokenTable } from "./linear.ts";
import { normOf, part } from "./parts.ts";
import { wholeModel, type Stretch } from "./stretch.ts";

export type { Job } from "./builder.ts";

/** `entry`: the graph's name, where a module has several stretches with the same job. */
export function buildGraph(
  model: Model,
  job: Job,
  stretch: Stretch = wholeModel(model),
  entry: string = job.entry,
): Graph {
  const rows = "rows" in job ? job.rows : job.batch * job.context;
  const b: Builder = {
    model,
    job,
    stretch,
    rows,
    values: new Map(),
    nodes: [],
    objective: [],
    layered: false,
    stem: "output",
  };
  const sections = [
    stretch.embed ? embedSection(b) : enterSection(b),
    ...(layersOf(b) > 0 ? [layerSection(b)] : []),
    ...(stretch.output ? outputSections(b) : [leaveSection(b)]),
  ].filter((s) => s.nodes.length > 0);
  const { batch, context } = "rows" in job ? { batch: 1, context: job.rows } : job;
  return { entry, batch, context, values: b.values, sections, objective: b.objective };
}

function embedSection(b: Builder): Section {
  const { context, width } = b.model.sizes;
  const tokens = input(b, "tokens", [b.rows], { dtype: "i32" });
  const table = tokenTable(b);
  const positions = b.model.embed.position
    ? parameter(b, "position_embedding.weight", [context, width], { kind: "normal", std: initialStd(b) })
    : undefined;
  const { norm } = b.model.embed;
  const out = activation(b, norm ? "embedded" : "x", [b.rows, width]);
  const length = "context" in b.job ? b.job.context : b.rows;
  layerTables(b);
  const ins = { tokens, table, positions, place: isExtending(b) ? place(b) : undefined };
  emit(b, "embed", ins, { out }, { context: length });
  if (norm) {
    b.stem = "embed";
    normOf(b, norm, out, "x");
    b.stem = "output";
  }
  return section(b, "embed", "embed");
}

/**
 * Rows of the stretch before: a copy, because the layers' x is overwritten from layer to layer. Without
 * layers they are read where they are.
 */
function enterSection(b: Builder): Section {
  const shape = [b.rows, b.model.sizes.width];
  const x = input(b, "x_in", shape, { dtype: "f32" });
  layerTables(b);
  if (layersOf(b) > 0) emit(b, "copy", { x }, { out: activation(b, "x", shape) });
  return section(b, "embed", "enter");
}

function leaveSection(b: Builder): Section {
  emit(b, "copy", { x: rowsOut(b) }, { out: declare(b, "x_out", [b.rows, b.model.sizes.width], "output") });
  return section(b, "head", "leave");
}

/** The stretch's rows, after its last layer. */
const rowsOut = (b: Builder): Ref => whole(b.stretch.embed || layersOf(b) > 0 ? "x" : "x_in");

function layerSection(b: Builder): Section {
  b.layered = true;
  const last = equations(b, b.model.layer);
  b.layered = false;
  if (last.value === "x") throw new Error("a layer that does not change x: the checker refuses it");
  return section(b, "layer", "layer", layersOf(b), [{ from: "x", to: last.value }]);
}

function equations(b: Builder, assignments: readonly Assignment[]): Ref {
  const scope = new Map([["x", whole("x")]]);
  for (const { name, value } of assignments) scope.set(name, expression(b, value, scope));
  return scope.get("x")!;
}

/** Logits, and of whole sequences their loss. */
function outputSections(b: Builder): readonly Section[] {
  const { width } = b.model.sizes;
  let x = rowsOut(b);
  if (isExtending(b)) {
    const row = activation(b, "last_row", [1, width]);
    emit(b, "take_row", { x, place: place(b) }, { out: row });
    x = row;
  }
  const logits = expression(b, b.model.output, new Map([["x", x]]), "logits");
  if (!("batch" in b.job)) {
    b.values.set(logits.value, { ...b.values.get(logits.value)!, storage: "output" });
    return [section(b, "head", "output")];
  }
  const output = section(b, "head", "output");
  const targets = input(b, "targets", [b.rows], { dtype: "i32" });
  const losses = declare(b, "token_losses", [b.rows], "output");
  const logprobs = b.job.logprobs ? declare(b, "logprobs", [b.rows], "output") : undefined;
  emit(b, "cross_entropy", { logits, targets }, { losses, logprobs });
  if (isTraining(b))
    b.objective.push({
      value: losses,
      ...(b.job.weights && { weights: input(b, "weights", [b.rows], { dtype: "f32" }) }),
    });
  emit(b, "loss_sum", { losses, targets }, { loss: declare(b, "loss", [2], "output") });
  return [output, section(b, "loss", "loss")];
}

/** `outName`: of the value, where a norm or a linear map makes it. */
function expression(b: Builder, e: Expression, scope: ReadonlyMap<string, Ref>, outName?: string): Ref {
  switch (e.kind) {
    case "value":
      return scope.get(e.name)!;
    case "add": {
      const left = expression(b, e.left, scope);
      const right = expression(b, e.right, scope);
      const out = activation(b, "sum", b.values.get(left.value)!.shape);
      emit(b, "add", { a: left, b: right }, { out });
      return out;
    }
    case "apply":
      return part(b, e.part, expression(b, e.input, scope), outName);
  }
}
