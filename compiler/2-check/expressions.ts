/**
 * Turns the values of equations into expressions of checked parts. Every value is a matrix [rows, columns],
 * and its columns are followed through every part and sum. A value that is wrong becomes `unknown`, which
 * causes no second complaint further on.
 */
import type { Argument, Value, Word } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import type { Span } from "../diagnostics/span.ts";
import type { GroupField, Options } from "./fields.ts";
import { takenName } from "./inherit.ts";
import type { Expression, Part, PartKind, Sizes } from "../../runtime/contract/model.ts";
import { describe, readField, type Plain } from "./numbers.ts";
import {
  isPart,
  laterParts,
  optionWords,
  partNames,
  parts,
  type OptionValue,
  type PartSpec,
  type Section,
} from "./parts.ts";
import type { ModelRecorder } from "./record.ts";
import { knownFrom, type Scope } from "./scope.ts";

type Call = Extract<Value, { kind: "call" }>;

/** Both are undefined where something was wrong. */
export interface Tensor {
  readonly expression: Expression | undefined;
  readonly columns: number | undefined;
}
const unknown: Tensor = { expression: undefined, columns: undefined };

export interface Context {
  readonly section: Section;
  readonly scope: Scope;
  readonly sizes: Sizes;
  readonly report: Reporter;
  readonly record: ModelRecorder;
  /** Columns of the values that exist so far. */
  readonly values: Map<string, number | undefined>;
  /** Where they were set: those that were. An `x` from outside has the empty span before the equations. */
  readonly definitions: Map<string, Span>;
  /** The name of the next part of a kind. */
  nameOf(kind: PartKind): string;
}

const valuesAre = "values are `x`, names of earlier equations, and parts";

/** `outermost` says that this is the value of `output` itself, whose linear map goes to the vocabulary. */
export function checkValue(at: Context, value: Value, outermost = false): Tensor {
  const tensor = tensorOf(at, value, outermost);
  if (tensor.columns !== undefined) at.record.columns(value.span, tensor.columns);
  return tensor;
}

function tensorOf(at: Context, value: Value, outermost: boolean): Tensor {
  const refuse = (what: string, help: string): Tensor => {
    at.report("E0306", value.span, { what, help });
    return unknown;
  };
  switch (value.kind) {
    case "word":
      return checkName(at, value);
    case "call":
      return checkCall(at, value, outermost);
    case "sum": {
      const tensors = value.terms.map((t) => ({ tensor: checkValue(at, t.value), span: t.value.span }));
      if (value.terms.some((t) => t.sign === "-"))
        return refuse("values cannot be subtracted", "a part's weights find the sign by themselves: use `+`");
      return tensors
        .slice(1)
        .reduce((left, { tensor, span }) => addTensors(at, left, tensor, span), tensors[0]!.tensor);
    }
    case "product":
    case "negative":
      return refuse(
        "values cannot be multiplied",
        "numbers belong in options, as in `mlp(x, hidden: 4 * width)`",
      );
    case "number":
    case "words":
    case "flag":
      return refuse(`${describe(value)} stands where a value is needed`, valuesAre);
  }
}

function checkName(at: Context, word: Word): Tensor {
  const { text, span } = word;
  if (at.values.has(text)) {
    const definition = at.definitions.get(text);
    if (definition) at.record.use(word, definition);
    const columns = at.values.get(text);
    return columns === undefined ? unknown : { expression: { kind: "value", name: text }, columns };
  }
  const taken = takenName(text) ?? (at.scope.bindings.has(text) ? "a let" : undefined);
  const known = [...at.values.keys()];
  if (taken)
    at.report("E0306", span, {
      what: `\`${text}\` is ${taken}, not a value`,
      ...(isPart(text) ? { help: `write \`${text}(x)\``, instead: `${text}(x)` } : { help: valuesAre }),
    });
  else
    at.report("E0305", span, {
      name: text,
      nearest: nearest(
        text,
        known.filter((v) => v.length > 1),
      ),
      known,
    });
  return unknown;
}

export function addTensors(at: Context, left: Tensor, right: Tensor, span: Span): Tensor {
  if (left.expression && right.expression && left.columns === right.columns)
    return {
      expression: { kind: "add", left: left.expression, right: right.expression },
      columns: left.columns,
    };
  if (left.columns !== undefined && right.columns !== undefined)
    at.report("E0307", span, { left: left.columns, right: right.columns });
  return unknown;
}

// ---- parts

function checkCall(at: Context, call: Call, outermost: boolean): Tensor {
  const kind = call.callee.text;
  const inputs = call.args.filter((a) => !a.name);
  const input = inputs.length === 0 ? unknown : checkValue(at, inputs[0]!.value);
  if (!isPart(kind)) {
    if (Object.hasOwn(laterParts, kind))
      at.report("E0220", call.callee.span, { what: `\`${kind}\``, instead: laterParts[kind], isPart: true });
    else if (Object.hasOwn(optionWords, kind))
      at.report("E0316", call.callee.span, { part: kind, where: "an equation", help: optionWords[kind]! });
    else
      at.report("E0302", call.callee.span, {
        part: kind,
        parts: partNames,
        nearest: nearest(kind, partNames),
      });
    return unknown;
  }
  const spec: PartSpec = parts[kind];
  const inputWidth = input.columns ?? at.sizes.width;
  const belongsHere = spec.sections.includes(at.section);
  if (inputs.length !== 1)
    at.report("E0304", inputs[1]?.span ?? call.callee.span, { part: kind, inputs: inputs.length });
  if (!belongsHere)
    at.report("E0316", call.callee.span, {
      part: kind,
      where: at.section,
      help: "move it into `layer { … }`",
    });
  const linearOut = outermost ? at.sizes.vocab : at.sizes.width;
  const values = checkOptions(at, { name: kind, ...spec }, call.args, {
    input_width: inputWidth,
    linear_out: linearOut,
  });
  if (!values || inputs.length !== 1 || !input.expression || !belongsHere) return unknown;
  const part = spec.build(values, { name: at.nameOf(kind), width: inputWidth });
  if (!checkPart(at, part, call, outermost)) return unknown;
  at.record.part(call.span, part);
  return { expression: { kind: "apply", part, input: input.expression }, columns: spec.outWidth(part) };
}

interface Owner {
  readonly name: string;
  readonly options: Options;
  readonly later: Readonly<Record<string, string>>;
}

/**
 * Reads all options of a part or a group, those that are given and those that have defaults. `place` holds
 * numbers that defaults may use besides the settings.
 */
function checkOptions(
  at: Context,
  owner: Owner,
  args: readonly Argument[],
  place: Readonly<Record<string, number>>,
): Record<string, OptionValue> | undefined {
  const options = Object.keys(owner.options);
  const values: Record<string, OptionValue> = {};
  const seen = new Map<string, Span>();
  let right = true;
  for (const { name, value } of args) {
    if (!name) continue;
    const option = name.text;
    const before = seen.get(option);
    const field = Object.hasOwn(owner.options, option) ? owner.options[option] : undefined;
    if (before)
      at.report("E0206", name.span, { what: option }, [{ text: "the first is here", span: before }]);
    else if (!field && Object.hasOwn(owner.later, option))
      at.report("E0220", name.span, {
        what: `${owner.name}'s option \`${option}\``,
        instead: owner.later[option],
      });
    else if (!field)
      at.report("E0303", name.span, { part: owner.name, option, options, nearest: nearest(option, options) });
    const read =
      !field || before
        ? undefined
        : field.kind === "group"
          ? readGroup(at, option, field, value)
          : readField(option, field, value, at.scope, at.report);
    if (read === undefined) right = false;
    else values[option] = read;
    seen.set(option, name.span);
  }
  const given: Readonly<Record<string, OptionValue>> = { ...values };
  const known = knownFrom((name) => {
    const found =
      place[name] ?? (name.endsWith("_here") ? given[name.slice(0, -"_here".length)] : at.scope.read(name));
    // flags as 0 and 1
    return typeof found === "number" || typeof found === "boolean" ? Number(found) : undefined;
  });
  for (const [option, field] of Object.entries(owner.options))
    if (!seen.has(option) && field.kind !== "group") values[option] = field.initial!(known);
  return right ? values : undefined;
}

/** `rope(theta: 500000)`: numbers with names, and nothing else. */
function readGroup(
  at: Context,
  option: string,
  field: GroupField,
  value: Value,
): Record<string, Plain> | undefined {
  const isRight =
    value.kind === "call" && value.callee.text === field.callee && value.args.every((a) => a.name);
  if (!isRight) {
    at.report("E0207", value.span, {
      key: option,
      wanted: `${field.callee}(…) with named numbers`,
      found: describe(value),
      help: `write \`${field.example}\``,
      instead: field.example.slice(`${option}: `.length),
    });
    return undefined;
  }
  const values = checkOptions(
    at,
    { name: field.callee, options: field.fields, later: {} },
    value.args,
    {},
  ) as Record<string, Plain> | undefined;
  return values && field.callee === "rope" && !checkRope(at, values as Record<string, number>, value)
    ? undefined
    : values;
}

/** Llama 3's scaling consists of four numbers that belong together, and excludes every other scaling. */
function checkRope(
  at: Context,
  { linear, factor, low, high }: Record<string, number>,
  { args, callee }: Call,
): boolean {
  const spanOf = (option: string): Span | undefined => args.find((a) => a.name?.text === option)?.span;
  const refuse = (option: string, why: string, help: string): false => {
    at.report("E0319", spanOf(option) ?? callee.span, { why, help });
    return false;
  };
  const lonely = ["low", "high", "original"].find((option) => spanOf(option));
  if (factor === 1 && lonely)
    return refuse(lonely, `\`${lonely}\` means nothing without \`factor\``, "give `factor`, or leave it out");
  if (factor !== 1 && !spanOf("original"))
    return refuse(
      "factor",
      "`factor` needs the context that the model was first trained with",
      "write for example `original: 8192`",
    );
  if (linear !== 1 && factor !== 1)
    return refuse("linear", "`linear` and `factor` are two scalings", "leave one of them out");
  if (low! >= high!) {
    const written = spanOf("low") ? "low" : "high";
    return refuse(written, `low ${low} must be less than high ${high}`, "Llama 3 has `low: 1, high: 4`");
  }
  return true;
}

/** Rules between a part's options. */
function checkPart(at: Context, part: Part, call: Call, outermost: boolean): boolean {
  const spanOf = (option: string): Span =>
    call.args.find((a) => a.name?.text === option)?.span ?? call.callee.span;
  const given = (...options: readonly string[]): boolean =>
    call.args.some((a) => a.name !== undefined && options.includes(a.name.text));
  if (part.part === "attention") {
    const { heads, kvHeads, headDim, width } = part;
    const fits = Number.isSafeInteger(headDim);
    const shares = heads % kvHeads === 0;
    if (!part.causal) at.report(part.window ? "E0320" : "W0317", spanOf("causal"), {});
    if (given("heads", "kv_heads", "head_dim")) {
      // otherwise it is the settings' fault, and told there
      if (!fits) at.report("E0203", spanOf("heads"), { width, heads, at: "option" });
      else if (!shares)
        at.report("E0212", spanOf("kv_heads"), { heads, kvHeads, isOption: given("kv_heads") });
    }
    if (part.rope && fits && headDim % 2 !== 0) at.report("E0318", spanOf("rope"), { headDim });
    return fits && shares && !(part.rope && headDim % 2 !== 0) && !(part.window && !part.causal);
  }
  if (part.part === "experts" && part.top > part.count) {
    const isTop = given("top");
    at.report("E0321", spanOf(isTop ? "top" : "count"), { top: part.top, count: part.count, isTop });
    return false;
  }
  if (part.part === "linear" && part.tied) {
    const { width, vocab } = at.sizes;
    const why =
      !outermost || at.section !== "output"
        ? "only the outermost linear of the output can be tied to the token embedding"
        : part.width !== width
          ? `the tied output needs an input of width ${width}, not ${part.width}`
          : part.out !== vocab
            ? `the tied output has the vocabulary's ${vocab} columns, not ${part.out}`
            : undefined;
    if (why) at.report("E0310", spanOf("tied"), { why });
    return why === undefined;
  }
  return true;
}
