/** `embed`, `layer` and `output`: equations over x become expressions of checked parts. Every value is [rows, columns]; columns are followed through every part and sum. */
import type { Argument, Value, Word } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import { takenName, type Whole } from "./inherit.ts";
import type { Assignment, Embed, Expression, Part, PartKind, Sizes } from "./model.ts";
import { describe, readField, type Plain } from "./numbers.ts";
import { isPart, laterParts, partNames, parts, type PartSpec, type Section } from "./parts.ts";
import { knownFrom, type Scope } from "./scope.ts";

/** A checked value. `columns` is undefined, and so is the expression, where something was wrong. */
interface Tensor {
  readonly expression: Expression | undefined;
  readonly columns: number | undefined;
}
const unknown: Tensor = { expression: undefined, columns: undefined };

interface Context {
  readonly section: Section;
  readonly scope: Scope;
  readonly sizes: Sizes;
  readonly report: Reporter;
  /** Columns of the values that exist so far. */
  readonly values: Map<string, number | undefined>;
  nameOf(kind: PartKind): string;
}

/** Parts in one section; a hostile spec could have a hundred thousand. */
const MAX_PARTS = 256;

export function checkEmbed(model: Whole, report: Reporter): Embed | undefined {
  if (!model.embed) return undefined;
  const seen = new Set<string>();
  let right = true;
  const wrong = (span: Span, what: string, help: string | undefined): void => { right = false; report("E0311", span, { what, help }); };
  for (const { text, span } of model.embed.terms) {
    if (text !== "token" && text !== "position") {
      const near = nearest(text, ["token", "position"]);
      wrong(span, `there is no embedding called \`${text}\``, near ? `did you mean \`${near}\`?` : "use `token`, or `token + position`");
    } else if (seen.has(text)) wrong(span, `\`${text}\` is added twice`, "once is enough");
    seen.add(text);
  }
  if (!seen.has("token") && right && !model.broken) wrong(model.embed.span, "the token itself is not embedded", "begin with `token`");
  return right ? { token: true, position: seen.has("position") } : undefined;
}

export function checkLayer(model: Whole, scope: Scope, sizes: Sizes, report: Reporter): Assignment[] | undefined {
  const { layer } = model;
  if (!layer) return undefined;
  const at: Context = { section: "layer", scope, sizes, report, values: new Map([["x", sizes.width]]), nameOf: partNamer(layer.assignments.map((a) => a.value)) };
  if (tooManyParts(layer.assignments.map((a) => a.value), layer.span, report)) return undefined;
  const assignments: (Assignment & { span: Span })[] = [];
  let right = true;
  for (const { target, sign, value } of layer.assignments) {
    const taken = takenName(target.text) ?? (scope.bindings.has(target.text) ? "a let" : undefined);
    if (taken) report("E0218", target.span, { name: target.text, what: taken, help: "choose another name" });
    let tensor = checkValue(at, value);
    if (sign === "+=") tensor = addTensors(at, checkValue(at, target), tensor, value.span);
    if (taken) right = false;
    at.values.set(target.text, tensor.columns);
    if (tensor.expression) assignments.push({ name: target.text, value: tensor.expression, span: target.span });
    else right = false;
  }
  if (right && isUnchanged(assignments)) {
    report("E0308", { ...layer.span, end: layer.span.start + "layer".length }, { why: "the layer hands on x as it came", help: "let it do something: `x += mlp(layernorm(x))`" });
    return undefined;
  }
  const columns = at.values.get("x"), last = layer.assignments.findLast((a) => a.target.text === "x");
  if (!last) {
    if (!model.broken) report("E0308", { ...layer.span, end: layer.span.start + "layer".length }, { why: "the layer never sets x", help: "end with `x += …` or `x = …`" });
    return undefined;
  }
  if (columns !== undefined && columns !== sizes.width)
    report("E0308", last.target.span, { why: `the layer ends with an x of width ${columns}, not ${sizes.width}`, help: "bring it back with `linear(…, out: width)`" });
  return right ? dropUnused(assignments, report) : undefined;
}

export function checkOutput(model: Whole, scope: Scope, sizes: Sizes, report: Reporter): Expression | undefined {
  if (!model.output) return undefined;
  const { value } = model.output;
  const at: Context = { section: "output", scope, sizes, report, values: new Map([["x", sizes.width]]), nameOf: partNamer([value]) };
  if (tooManyParts([value], model.output.span, report)) return undefined;
  const isLinear = value.kind === "call" && value.callee.text === "linear";
  const { expression, columns } = checkValue(at, value, true);
  if (!isLinear) {
    if (value.kind !== "call" || isPart(value.callee.text))
      report("E0309", value.span, { found: `not in ${describe(value)}`, help: value.kind === "word" || value.kind === "call" ? `write \`linear(${value.kind === "word" ? value.text : `${value.callee.text}(…)`})\`` : "put `linear( )` around it" });
    return undefined;
  }
  if (columns === undefined || columns === sizes.vocab) return expression;
  report("E0309", value.span, { found: `this one has ${columns} columns, and the vocabulary has ${sizes.vocab}`, help: "leave `out` away" });
  return undefined;
}

// ---- values

function checkValue(at: Context, value: Value, outermost = false): Tensor {
  switch (value.kind) {
    case "word": return checkName(at, value);
    case "call": return checkCall(at, value, outermost);
    case "sum": {
      const tensors = value.terms.map((t) => ({ tensor: checkValue(at, t.value), span: t.value.span }));
      if (value.terms.some((t) => t.sign === "-")) {
        at.report("E0306", value.span, { what: "values cannot be subtracted", help: "a part's weights find the sign by themselves: use `+`" });
        return unknown;
      }
      return tensors.slice(1).reduce((left, { tensor, span }) => addTensors(at, left, tensor, span), tensors[0]!.tensor);
    }
    case "product":
    case "negative":
      at.report("E0306", value.span, { what: "values cannot be multiplied", help: "numbers belong in options, as in `mlp(x, hidden: 4 * width)`" });
      return unknown;
    case "number":
    case "flag":
      at.report("E0306", value.span, { what: `${describe(value)} stands where a value is needed`, help: "values are `x`, names of earlier equations, and parts" });
      return unknown;
  }
}

function checkName(at: Context, { text, span }: Word): Tensor {
  if (at.values.has(text)) {
    const columns = at.values.get(text);
    return columns === undefined ? unknown : { expression: { kind: "value", name: text }, columns };
  }
  const taken = takenName(text) ?? (at.scope.bindings.has(text) ? "a let" : undefined);
  if (taken) at.report("E0306", span, { what: `\`${text}\` is ${taken}, not a value`, help: isPart(text) ? `write \`${text}(x)\`` : "values are `x`, names of earlier equations, and parts" });
  else at.report("E0305", span, { name: text, nearest: nearest(text, [...at.values.keys()].filter((v) => v.length > 1)), known: [...at.values.keys()] });
  return unknown;
}

function addTensors(at: Context, left: Tensor, right: Tensor, span: Span): Tensor {
  if (left.expression && right.expression && left.columns === right.columns)
    return { expression: { kind: "add", left: left.expression, right: right.expression }, columns: left.columns };
  if (left.columns !== undefined && right.columns !== undefined) at.report("E0307", span, { left: left.columns, right: right.columns });
  return unknown;
}

// ---- parts

function checkCall(at: Context, call: Extract<Value, { kind: "call" }>, outermost: boolean): Tensor {
  const kind = call.callee.text;
  const inputs = call.args.filter((a) => !a.name);
  const input = inputs.length === 0 ? unknown : checkValue(at, inputs[0]!.value);
  if (!isPart(kind)) {
    if (Object.hasOwn(laterParts, kind)) at.report("E0220", call.callee.span, { what: `\`${kind}\``, instead: laterParts[kind] });
    else at.report("E0302", call.callee.span, { part: kind, parts: partNames, nearest: nearest(kind, partNames) });
    return unknown;
  }
  const spec: PartSpec = parts[kind];
  if (inputs.length !== 1) at.report("E0304", inputs[1]?.span ?? call.callee.span, { part: kind, inputs: inputs.length });
  if (!spec.sections.includes(at.section)) at.report("E0316", call.callee.span, { part: kind, where: at.section, help: "move it into `layer { … }`" });
  const inputWidth = input.columns ?? at.sizes.width;
  const values = checkOptions(at, kind, spec, call, inputWidth, outermost);
  if (!values || inputs.length !== 1 || !input.expression || !spec.sections.includes(at.section)) return unknown;
  const part = spec.build(values, { name: at.nameOf(kind), width: inputWidth });
  if (!checkPart(at, part, call, outermost)) return unknown;
  return { expression: { kind: "apply", part, input: input.expression }, columns: spec.outWidth(part) };
}

function checkOptions(at: Context, kind: PartKind, spec: PartSpec, call: Extract<Value, { kind: "call" }>, inputWidth: number, outermost: boolean): Record<string, Plain> | undefined {
  const values: Record<string, Plain> = {}, seen = new Map<string, Span>();
  let right = true;
  for (const { name, value } of call.args) {
    if (!name) continue;
    const option = name.text, before = seen.get(option), field = Object.hasOwn(spec.options, option) ? spec.options[option] : undefined;
    if (before) at.report("E0206", name.span, { what: option }, [{ text: "the first is here", span: before }]);
    else if (!field && Object.hasOwn(spec.later, option)) at.report("E0220", name.span, { what: `${kind}'s option \`${option}\``, instead: spec.later[option] });
    else if (!field) at.report("E0303", name.span, { part: kind, option, options: Object.keys(spec.options), nearest: nearest(option, Object.keys(spec.options)), help: undefined });
    const read = field && !before ? readField(option, field, value, at.scope, at.report) : undefined;
    if (read === undefined) right = false;
    else values[option] = read;
    seen.set(option, name.span);
  }
  const given: Readonly<Record<string, Plain>> = { ...values };
  const linearOut = outermost ? at.sizes.vocab : at.sizes.width;
  const known = knownFrom((name) => {
    if (name === "input_width") return inputWidth;
    if (name === "linear_out") return linearOut;
    const number = name.endsWith("_here") ? given[name.slice(0, -"_here".length)] : at.scope.read(name);
    return typeof number === "string" ? undefined : number === undefined ? undefined : Number(number); // flags as 0 and 1
  });
  for (const [option, field] of Object.entries(spec.options)) if (!seen.has(option)) values[option] = field.initial!(known);
  return right ? values : undefined;
}

/** Rules between a part's options. */
function checkPart(at: Context, part: Part, call: Extract<Value, { kind: "call" }>, outermost: boolean): boolean {
  const spanOf = (option: string): Span => call.args.find((a: Argument) => a.name?.text === option)?.span ?? call.callee.span;
  if (part.part === "attention") {
    const { heads, kvHeads, headDim, width } = part;
    if (!part.causal) at.report("W0317", spanOf("causal"), {});
    const own = call.args.some((a) => a.name !== undefined && ["heads", "kv_heads", "head_dim"].includes(a.name.text)); // otherwise it is the settings' fault
    if (!Number.isSafeInteger(headDim)) { if (own) at.report("E0203", spanOf("heads"), { width, heads }); return false; }
    if (heads % kvHeads !== 0) { if (own) at.report("E0212", spanOf("kv_heads"), { heads, kvHeads }); return false; }
    return true;
  }
  if (part.part === "linear" && part.tied) {
    const why = !outermost || at.section !== "output" ? "only the outermost linear of the output can be tied to the token embedding"
      : part.width !== at.sizes.width ? `the tied output needs an input of width ${at.sizes.width}, not ${part.width}`
      : part.out !== at.sizes.vocab ? `the tied output has the vocabulary's ${at.sizes.vocab} columns, not ${part.out}` : undefined;
    if (why) at.report("E0310", spanOf("tied"), { why });
    return why === undefined;
  }
  return true;
}

// ---- a section as a whole

function countParts(value: Value, found: Map<string, number>): void {
  if (value.kind === "call") {
    found.set(value.callee.text, (found.get(value.callee.text) ?? 0) + 1);
    for (const a of value.args) countParts(a.value, found);
  } else if (value.kind === "sum") for (const t of value.terms) countParts(t.value, found);
}

function tooManyParts(values: readonly Value[], span: Span, report: Reporter): boolean {
  const found = new Map<string, number>();
  for (const v of values) countParts(v, found);
  const count = [...found.values()].reduce((a, b) => a + b, 0);
  if (count > MAX_PARTS) report("E0111", span, { what: "parts in one section", count, limit: MAX_PARTS });
  return count > MAX_PARTS;
}

/** "attention" where a section has one of a kind, "layernorm_1", "layernorm_2" where it has more: numbered as they are computed, inner before outer. */
function partNamer(values: readonly Value[]): (kind: PartKind) => string {
  const total = new Map<string, number>(), next = new Map<string, number>();
  for (const v of values) countParts(v, total);
  return (kind) => {
    const n = (next.get(kind) ?? 0) + 1;
    next.set(kind, n);
    return total.get(kind) === 1 ? kind : `${kind}_${n}`;
  };
}

function reads(expression: Expression, into: Set<string>): void {
  if (expression.kind === "value") into.add(expression.name);
  else if (expression.kind === "add") { reads(expression.left, into); reads(expression.right, into); }
  else reads(expression.input, into);
}

/** Whether the last x is only another name of the first. */
function isUnchanged(assignments: readonly Assignment[]): boolean {
  const same = new Set(["x"]);
  for (const { name, value } of assignments) {
    if (value.kind === "value" && same.has(value.name)) same.add(name);
    else same.delete(name);
  }
  return same.has("x") && assignments.some((a) => a.name === "x");
}

/** From the last equation upward: what nothing below reads is not built. */
function dropUnused(assignments: readonly (Assignment & { span: Span })[], report: Reporter): Assignment[] {
  const needed = new Set(["x"]), kept: Assignment[] = [];
  for (const { name, value, span } of assignments.toReversed()) {
    if (!needed.delete(name)) { report("W0315", span, { name }); continue; }
    reads(value, needed);
    kept.unshift({ name, value });
  }
  return kept;
}
