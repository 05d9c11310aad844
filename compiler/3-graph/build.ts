/**
 * Builds the graph of one entry from the checked model: forward only, one node per mathematical step, nothing
 * fused yet.
 *
 *   train, evaluate   tokens, targets [B·T]   → a loss per token, and their sum; where the spec says so,
 *                                               weights [B·T] of the losses are an input and
 *                                               log-probabilities [B·T] an output
 *   prefill, decode   tokens and positions    → logits [S, V] of each span's last row, with as many columns
 *                     [R], spans [S, 4]         as the output has; keys and values go to the caches
 *   score             the same, and targets   → logits [R, V] of each row, and ln p of its target
 *   embed             the same                → what the output layer reads of each row, [R, width]
 *   look              tokens [R] of one text  → x behind each layer, [R, width]; expose.ts makes more outputs
 *   lens              rows [R, width]         → logits [R, V] of each row
 *   generate          the same, and how each     → tokens drawn after the rows, which are the rows of
 *                     text is drawn               the next run, again and again (sampling.ts)
 *
 * Where a model is divided over several memories (partition.ts), a graph computes one segment of it. Rows
 * [R, width] come in as `x_in` when it does not begin with the embedding, and leave as `x_out` when it does
 * not end with the output. A graph that trains computes all segments of its partition, since their backward
 * reads what their forward has left: what `x_out` weighs in the objective comes in as `d_x_out`.
 */
import { loopField, type OutputName } from "../../runtime/contract/entries.ts";
import { POSITION_TABLE } from "../../runtime/contract/parameter-names.ts";
import type { Assignment, Expression, Model } from "../../runtime/contract/model.ts";
import { outermost } from "../2-check/parameters.ts";
import { layerTables } from "./build-attention.ts";
import {
  activation,
  entryOutput,
  emit,
  initialStd,
  input,
  isIncremental,
  isLook,
  isTraining,
  layersOf,
  parameter,
  liveRows,
  positionsOf,
  section,
  spansOf,
  type Builder,
  type EntrySpec,
} from "./builder.ts";
import { whole, type Graph, type Ref, type Section } from "./ir.ts";
import { tokenTable } from "./linear.ts";
import { losses, readsLogits } from "./objective.ts";
import { normOf, part } from "./parts.ts";
import { samplingSection } from "./sampling.ts";
import { wholeModel, type Segment } from "./segment.ts";

export type { EntrySpec } from "./builder.ts";

/** `entry` is the graph's name; it differs from the spec's for the second segment of a partition. */
export function buildGraph(
  model: Model,
  job: EntrySpec,
  segments: readonly Segment[] = [wholeModel(model)],
  entry: string = job.entry,
): Graph {
  const rows = "rows" in job ? job.rows : job.batch * job.context;
  const computed = segments.map((s) => (job.entry === "lens" ? { ...s, embed: false, from: s.to } : s));
  const b: Builder = {
    live: undefined,
    model,
    job,
    segment: computed[0]!,
    rows,
    values: new Map(),
    nodes: [],
    objective: [],
    layered: false,
    stem: "output",
  };
  b.live = liveRows(b);
  const sections = computed.flatMap((segment) => segmentSections({ ...b, segment }));
  positionsOf(b); // an input of every run, also where no row depends on its position
  const { batch, context } = "rows" in job ? { batch: 1, context: job.rows } : job;
  // a segment that is not the whole model waits for the others: the host runs them again
  const loops = job.entry === "generate" && segments.every(({ embed, output }) => embed && output);
  const again = loops && { again: { value: "loop", element: loopField.more } };
  return { entry, batch, context, values: b.values, sections, objective: b.objective, ...again };
}

function segmentSections(b: Builder): readonly Section[] {
  const end = b.segment.output ? outputSections : (of: Builder) => [leaveSection(of)];
  return [
    b.segment.embed ? embedSection(b) : enterSection(b),
    ...(layersOf(b) > 0 ? [layerSection(b)] : []),
    ...(b.job.entry === "look" ? [] : end(b)),
  ].filter((s) => s.nodes.length > 0);
}

function embedSection(b: Builder): Section {
  const { context, width } = b.model.sizes;
  const tokens = input(b, "tokens", [b.rows]);
  const table = tokenTable(b);
  const position_table = b.model.embed.position
    ? parameter(b, POSITION_TABLE, [context, width], { kind: "normal", std: initialStd(b) })
    : undefined;
  const { norm } = b.model.embed;
  const out = activation(b, norm ? "embedded" : "x", [b.rows, width]);
  const length = "context" in b.job ? b.job.context : b.rows;
  layerTables(b);
  const positions = position_table && positionsOf(b);
  emit(b, "embed", { tokens, table, position_table, positions }, { out }, { context: length });
  if (norm) {
    b.stem = "embed";
    normOf(b, norm, out, "x");
    b.stem = "output";
  }
  return section(b, "embed", "embed");
}

/**
 * Takes over the rows of the segment before. They are copied, because x is overwritten from layer to layer; a
 * segment without layers reads them where they are.
 */
function enterSection(b: Builder): Section {
  const shape = [b.rows, b.model.sizes.width];
  const x = input(b, "x_in", shape);
  if (isTraining(b)) entryOutput(b, "d_x_in", shape);
  layerTables(b);
  if (layersOf(b) > 0) emit(b, "copy", { x }, { out: activation(b, "x", shape) });
  return section(b, "embed", "enter");
}

function leaveSection(b: Builder): Section {
  const shape = [b.rows, b.model.sizes.width];
  const out = entryOutput(b, "x_out", shape);
  emit(b, "copy", { x: rowsOut(b) }, { out });
  if (isTraining(b)) b.objective.push({ value: out, weights: input(b, "d_x_out", shape) });
  return section(b, "leave", "leave");
}

/** The rows behind the segment's last layer. */
const rowsOut = (b: Builder): Ref => whole(b.segment.embed || layersOf(b) > 0 ? "x" : "x_in");

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

/** The logits; for whole sequences their losses, too. */
function outputSections(b: Builder): readonly Section[] {
  const { entry } = b.job;
  const isOfEachRow = !isIncremental(b) || entry === "score" || entry === "embed";
  const x = isOfEachRow ? rowsOut(b) : lastRows(b);
  const { part: map, input: inner } = outermost(b.model.output);
  const hidden = expression(b, inner, new Map([["x", x]]));
  if (entry === "embed") {
    emit(b, "copy", { x: hidden }, { out: entryOutput(b, "hidden", b.values.get(hidden.value)!.shape) });
    return [section(b, "head", "output")];
  }
  if (isLook(b.job) || !("batch" in b.job)) {
    const name: OutputName = isOfEachRow ? "row_logits" : "logits";
    const logits = part(b, map, hidden, name);
    b.values.set(logits.value, { ...b.values.get(logits.value)!, storage: "output" });
    if (entry === "score") {
      const targets = input(b, "targets", [b.rows]);
      emit(
        b,
        "cross_entropy",
        { logits, targets },
        { losses: activation(b, "losses", [b.rows]), logprobs: entryOutput(b, "logprobs", [b.rows]) },
      );
    }
    const output = section(b, "head", "output");
    return entry === "generate" ? [output, samplingSection(b, logits)] : [output];
  }
  const logits = readsLogits(b.job) ? part(b, map, hidden, "logits") : undefined;
  const output = section(b, "head", "output");
  losses(b, b.job, hidden, logits);
  return [output, section(b, "loss", "loss")].filter((s) => s.nodes.length > 0);
}

/** The last row of each span of a run; from here on, rows are spans. */
function lastRows(b: Builder): Ref {
  const { spans, spanCount } = spansOf(b);
  b.live = spanCount;
  const shape = [b.values.get(spans.value)!.shape[0]!, b.model.sizes.width];
  const last = activation(b, "last_row", shape);
  emit(b, "take_row", { x: rowsOut(b), spans }, { out: last });
  return last;
}

/** `outName` is the name of the result, where a norm or a linear map makes it. */
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
