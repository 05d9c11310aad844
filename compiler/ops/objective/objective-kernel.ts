/**
 * The kernel of an objective, in f64, one worker from the first row to the last, so that its sums have one
 * order. Rows that are not counted are not read: what stands there may be anything.
 *
 *   token    for each row:    loss, slopes
 *   answer   for each answer: sums over its rows; loss, slopes by the sums; the slopes of its rows
 *   pair     the same with two answers
 */
import { loadHyper } from "../kit/hyper.ts";
import type { Writer } from "../kit/writer.ts";
import {
  MOST_SETTINGS,
  tokenNames,
  type TokenName,
  type Whose,
} from "../../../runtime/contract/objective.ts";
import { rowBytes } from "../../../runtime/contract/tensor-layout.ts";
import {
  answerVariable,
  modelNames,
  settingVariable,
  type ModelName,
  type ObjectivePlan,
} from "./objective-plan.ts";
import { scalarFunctions } from "./scalar-functions.ts";
import { inOrder, variablesOf, type Scalar } from "./scalars.ts";

/** The tensor of each number of a row, and the output for the slope by it. */
export const tensorOf = {
  logp: "logprobs",
  entropy: "entropies",
  hit: "hits",
  value: "values",
  old: "old",
  ref: "reference",
  advantage: "advantages",
  return: "returns",
  old_value: "old_values",
} as const satisfies Record<TokenName, string>;
export const slopeTensor = { logp: "d_logprobs", entropy: "d_entropies", value: "d_values" } as const;

/** Addresses by tensor; absent: it takes no part. */
export type Places = Readonly<Partial<Record<string, string>>>;

interface Kernel {
  readonly w: Writer;
  readonly at: Places;
  readonly plan: ObjectivePlan;
  /** Rows in all, rows of a sequence, and units. */
  readonly rows: number;
  readonly length: number;
  readonly units: number;
  /** The slopes that are asked for. */
  readonly slopes: readonly ModelName[];
}

/** Text of each variable, by its name. */
type Names = ReadonlyMap<string, string>;

export function emitObjective(
  w: Writer,
  at: Places,
  plan: ObjectivePlan,
  settings: readonly string[],
  { rows, sequences, units, sums }: Readonly<Record<"rows" | "sequences" | "units" | "sums", number>>,
): void {
  const slopes = modelNames.filter((name) => at[slopeTensor[name]]);
  const k: Kernel = { w, at, plan, rows, length: rows / sequences, units, slopes };
  const names = new Map<string, string>();
  w.line("if (first == last) return;");
  for (const [i, name] of settings.entries()) {
    const [near, left] = [4 * i, 4 * (i + MOST_SETTINGS)];
    names.set(settingVariable(name), `set_${name}`);
    w.line(
      `const set_${name} = <f64>load<f32>(${at["settings"]}, ${near}) + ` +
        `<f64>load<f32>(${at["settings"]}, ${left});`,
    );
  }
  if (slopes.length > 0 && !at["weights"]) w.line(`const weight = <f64>${loadHyper(at["hyper"]!, "scale")};`);
  const totals = ["units", "loss", "weighted", ...plan.sums.map((_, i) => `sum_${i}`)];
  if (at["sums"]) {
    w.line(`if (!accumulate) memory.fill(${at["sums"]}, 0, ${rowBytes(sums)});`);
    for (const [i, total] of totals.entries())
      w.line(`let total_${total} = <f64>load<f32>(${at["sums"]}, ${4 * i});`);
  }
  for (const tensor of slopes.map((s) => at[slopeTensor[s]]!))
    w.line(`memory.fill(${tensor}, 0, ${rowBytes(rows)});`);
  if (at["losses"]) w.line(`memory.fill(${at["losses"]}, 0, ${rowBytes(units)});`);
  if (plan.unit === "token") overTokens(k, names);
  else overAnswers(k, names);
  if (at["sums"])
    for (const [i, total] of totals.entries())
      w.line(`store<f32>(${at["sums"]}, <f32>total_${total}, ${4 * i});`);
}

// ---- tokens

function overTokens(k: Kernel, settings: Names): void {
  const { w, at, plan, slopes } = k;
  w.block(`for (let r = 0; r < ${k.rows}; r++)`, () => {
    w.line(`if (load<i32>(${at["targets"]} + (<usize>r << 2)) < 0) continue;`);
    const wanted = wantedOf(k);
    const slopesOf = slopes.map((name) => plan.rowSlopes.get(name)).filter((s) => s !== undefined);
    const names = withRow(k, settings, [...wanted, ...slopesOf], "r");
    const text = emitScalars(w, [...wanted, ...slopesOf], names, "e");
    weightAt(k, "r");
    for (const name of slopes) {
      const slope = plan.rowSlopes.get(name);
      if (slope) storeSlope(k, name, "r", text(slope));
    }
    addTotals(k, text, "r");
  });
}

// ---- answers and pairs

function overAnswers(k: Kernel, settings: Names): void {
  const { w, plan } = k;
  const whose: readonly Whose[] = plan.unit === "pair" ? ["chosen", "rejected"] : ["own"];
  w.block(`for (let u = 0; u < ${k.units}; u++)`, () => {
    for (const [i, of] of whose.entries()) {
      const sequence = whose.length === 1 ? "u" : `(2 * u${i > 0 ? ` + ${i}` : ""})`;
      w.line(`const from_${of} = ${sequence} * ${k.length};`);
      sumsOver(k, of, settings);
    }
    w.line(`if (${whose.map((of) => `count_${of} == 0`).join(" || ")}) continue; // nothing to compare`);
    const names = new Map(settings);
    for (const { name } of plan.overs) names.set(name, name);
    for (const [i, of] of whose.entries())
      answerNumbers(k, of, whose.length === 1 ? "u" : `2 * u${i > 0 ? ` + ${i}` : ""}`, names);
    const outers = plan.overSlopes.filter((s) => k.slopes.includes(s.by)).map((s) => s.outer);
    const text = emitScalars(w, [...wantedOf(k), ...outers], names, "e");
    weightAt(k, `last_${whose[0]}`);
    for (const of of whose) slopesOver(k, of, settings, text);
    addTotals(k, text, "u");
  });
}

/** One answer's sums, its counted rows, and the last of them. */
function sumsOver(k: Kernel, of: Whose, settings: Names): void {
  const { w, plan } = k;
  const overs = plan.overs.filter((over) => over.of === of && isRead(k, over.name));
  w.line(`let count_${of} = 0, last_${of} = from_${of};`);
  for (const { name } of overs) w.line(`let ${name}: f64 = 0;`);
  eachCounted(k, of, () => {
    const values = overs.map((over) => over.value);
    const text = emitScalars(w, values, withRow(k, settings, values, "r"), "v");
    for (const { name, how, value } of overs)
      w.line(how === "last" ? `${name} = ${text(value)};` : `${name} += ${text(value)};`);
    w.line(`count_${of}++;`);
    w.line(`last_${of} = r;`);
  });
  for (const { name, how } of overs) if (how === "mean") w.line(`${name} /= <f64>count_${of};`);
}

/** Whether a sum has to be computed: the slopes alone may do without it. */
const isRead = (k: Kernel, name: string): boolean =>
  variablesOf([
    ...wantedOf(k),
    ...k.plan.overSlopes.filter((s) => k.slopes.includes(s.by)).map((s) => s.outer),
  ]).has(name);

/** weight · Σ ∂loss/∂over · ∂over/∂number, for the rows of one answer. */
function slopesOver(k: Kernel, of: Whose, settings: Names, outer: (s: Scalar) => string): void {
  const { w, plan } = k;
  const mine = plan.overSlopes.filter((s) => s.over.of === of && k.slopes.includes(s.by));
  if (mine.length === 0) return;
  eachCounted(k, of, () => {
    const inners = mine.map((s) => s.inner);
    const text = emitScalars(w, inners, withRow(k, settings, inners, "r"), "v");
    for (const name of k.slopes) {
      const terms = mine
        .filter((s) => s.by === name)
        .map(({ over, outer: by, inner }) => {
          const term = `${outer(by)} * ${text(inner)}`;
          return over.how === "sum"
            ? term
            : over.how === "mean"
              ? `${term} / <f64>count_${of}`
              : `(r == last_${of} ? ${term} : 0)`;
        });
      if (terms.length > 0) storeSlope(k, name, "r", `(${terms.join(" + ")})`);
    }
  });
}

function eachCounted({ w, at, length }: Kernel, of: Whose, body: () => void): void {
  w.block(`for (let r = from_${of}; r < from_${of} + ${length}; r++)`, () => {
    w.line(`if (load<i32>(${at["targets"]} + (<usize>r << 2)) < 0) continue;`);
    body();
  });
}

/** Numbers of an answer that are not made of its rows. */
function answerNumbers(
  { w, at, plan }: Kernel,
  of: Whose,
  sequence: string,
  names: Map<string, string>,
): void {
  const all = variablesOf([plan.loss, ...plan.sums, ...plan.overSlopes.map((s) => s.outer)]);
  for (const name of ["length", "label", "margin"] as const) {
    if (!all.has(answerVariable(of, name))) continue;
    const tensor = at[`${name}s`];
    if (name !== "length" && !tensor) continue;
    names.set(answerVariable(of, name), `${name}_${of}`);
    const value = name === "length" ? `<f64>count_${of}` : load(tensor!, `(${sequence})`);
    w.line(`const ${name}_${of} = ${value};`);
  }
}

// ---- what they share

const load = (tensor: string, index: string): string => `<f64>load<f32>(${tensor} + (<usize>${index} << 2))`;

/** The loss and what is logged, where they are asked for. */
const wantedOf = ({ at, plan }: Kernel): readonly Scalar[] => [
  ...(at["losses"] || at["sums"] ? [plan.loss] : []),
  ...(at["sums"] ? plan.sums : []),
];

/** The row's numbers that these need, as locals. */
function withRow({ w, at }: Kernel, names: Names, roots: readonly Scalar[], row: string): Names {
  const all = new Map(names);
  for (const name of variablesOf(roots)) {
    if (!Object.hasOwn(tokenNames, name)) continue;
    w.line(`const ${name}_r = ${load(at[tensorOf[name as TokenName]]!, row)};`);
    all.set(name, `${name}_r`);
  }
  return all;
}

function weightAt({ w, at, slopes }: Kernel, row: string): void {
  if (slopes.length > 0 && at["weights"]) w.line(`const weight = ${load(at["weights"], row)};`);
}

/** A weight of zero is no gradient, whatever the slope is. */
function storeSlope({ w, at }: Kernel, name: ModelName, row: string, slope: string): void {
  w.line(
    `store<f32>(${at[slopeTensor[name]]} + (<usize>${row} << 2), ` +
      `<f32>(weight == 0 ? 0 : weight * ${slope}));`,
  );
}

function addTotals({ w, at, plan, slopes }: Kernel, text: (s: Scalar) => string, unit: string): void {
  if (at["losses"]) w.line(`store<f32>(${at["losses"]} + (<usize>${unit} << 2), <f32>${text(plan.loss)});`);
  if (!at["sums"]) return;
  w.line("total_units += 1;");
  w.line(`total_loss += ${text(plan.loss)};`);
  w.line(`total_weighted += ${slopes.length > 0 ? "weight * " : ""}${text(plan.loss)};`);
  for (const [i, sum] of plan.sums.entries()) w.line(`total_sum_${i} += ${text(sum)};`);
}

/** Writes a local for each expression that is computed, and gives the text of each. */
function emitScalars(
  w: Writer,
  roots: readonly Scalar[],
  names: Names,
  stem: string,
): (scalar: Scalar) => string {
  const texts = new Map<Scalar, string>();
  for (const x of inOrder(roots)) {
    if (x.kind === "number") texts.set(x, numberText(x.value));
    else if (x.kind === "variable") texts.set(x, names.get(x.name)!);
    else {
      const local = `${stem}${texts.size}`;
      w.line(`const ${local}: f64 = ${scalarFunctions[x.of].code(w, ...x.args.map((a) => texts.get(a)!))};`);
      texts.set(x, local);
    }
  }
  return (scalar) => texts.get(scalar)!;
}

/** As f64 in AssemblyScript, where 1 / 2 is 0. */
function numberText(value: number): string {
  const text = /[.e]/.test(`${value}`) ? `${value}` : `${value}.0`;
  return value < 0 ? `(${text})` : text;
}
