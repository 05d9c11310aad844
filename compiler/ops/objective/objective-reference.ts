/** The reference of an objective: its equations, evaluated as they stand, unit by unit. */
import { hyper as hyperIndex } from "../../../runtime/contract/control.ts";
import {
  MOST_SETTINGS,
  tokenNames,
  type TokenName,
  type Whose,
} from "../../../runtime/contract/objective.ts";
import { slopeTensor, tensorOf } from "./objective-kernel.ts";
import { answerVariable, modelNames, settingVariable, type ObjectivePlan } from "./objective-plan.ts";
import { scalarFunctions } from "./scalar-functions.ts";
import { inOrder, type Scalar } from "./scalars.ts";

type Tensors = Readonly<Partial<Record<string, Float64Array>>>;
type Numbers = ReadonlyMap<string, number>;

/** The value of an expression. What nobody gives is not a number, and so is what is made of it. */
function valueOf(root: Scalar, numbers: Numbers): number {
  const values = new Map<Scalar, number>();
  for (const x of inOrder([root]))
    values.set(
      x,
      x.kind === "number"
        ? x.value
        : x.kind === "variable"
          ? (numbers.get(x.name) ?? NaN)
          : scalarFunctions[x.of].reference(...x.args.map((a) => values.get(a)!)),
    );
  return values.get(root)!;
}

export function referenceObjective(
  t: Tensors,
  plan: ObjectivePlan,
  settings: readonly string[],
  rows: number,
  sequences: number,
  accumulate: boolean,
): void {
  for (const name of ["d_logprobs", "d_entropies", "d_values", "losses"]) t[name]?.fill(0);
  if (!accumulate) t["sums"]?.fill(0);
  const given = new Map(
    settings.map((name, i) => [
      settingVariable(name),
      t["settings"]![i]! + t["settings"]![i + MOST_SETTINGS]!,
    ]),
  );
  const length = rows / sequences;
  const counted = (sequence: number): number[] =>
    Array.from({ length }, (_, i) => sequence * length + i).filter((r) => t["targets"]![r]! >= 0);
  const whose: readonly Whose[] = plan.unit === "pair" ? ["chosen", "rejected"] : ["own"];
  if (plan.unit === "token") {
    for (let r = 0; r < rows; r++) if (t["targets"]![r]! >= 0) addToken(t, plan, rowNumbers(t, given, r), r);
    return;
  }
  for (let u = 0; u < sequences / whose.length; u++) {
    const answers = whose.map((of, i) => ({
      of,
      sequence: whose.length * u + i,
      rows: counted(whose.length * u + i),
    }));
    if (answers.every((a) => a.rows.length > 0)) addAnswers(t, plan, given, answers, u);
  }
}

function rowNumbers(t: Tensors, given: Numbers, r: number): Map<string, number> {
  const numbers = new Map(given);
  for (const name of Object.keys(tokenNames) as TokenName[]) {
    const tensor = t[tensorOf[name]];
    if (tensor) numbers.set(name, tensor[r]!);
  }
  return numbers;
}

function addToken(t: Tensors, plan: ObjectivePlan, numbers: Numbers, r: number): void {
  const weight = t["weights"]?.[r] ?? t["hyper"]?.[hyperIndex.scale] ?? 1;
  for (const [name, slope] of plan.rowSlopes) {
    const out = t[slopeTensor[name]];
    if (out && weight !== 0) out[r] = weight * valueOf(slope, numbers);
  }
  addTotals(t, plan, numbers, weight, r);
}

interface Answer {
  readonly of: Whose;
  readonly sequence: number;
  readonly rows: readonly number[];
}

function addAnswers(
  t: Tensors,
  plan: ObjectivePlan,
  given: Numbers,
  answers: readonly Answer[],
  u: number,
): void {
  const numbers = new Map(given);
  for (const { of, sequence, rows } of answers) {
    numbers.set(answerVariable(of, "length"), rows.length);
    for (const name of ["label", "margin"])
      numbers.set(answerVariable(of, name), t[`${name}s`]?.[sequence] ?? NaN);
    for (const over of plan.overs.filter((o) => o.of === of)) {
      const values = rows.map((r) => valueOf(over.value, rowNumbers(t, given, r)));
      const sum = values.reduce((a, b) => a + b, 0);
      numbers.set(over.name, { sum, mean: sum / rows.length, last: values.at(-1)! }[over.how]);
    }
  }
  const weight = t["weights"]?.[answers[0]!.rows.at(-1)!] ?? t["hyper"]?.[hyperIndex.scale] ?? 1;
  for (const { of, rows } of answers)
    for (const { over, by, outer, inner } of plan.overSlopes.filter((s) => s.over.of === of)) {
      const out = t[slopeTensor[by]];
      if (!out || weight === 0) continue;
      for (const r of rows) {
        const share = { sum: 1, mean: 1 / rows.length, last: r === rows.at(-1) ? 1 : 0 }[over.how];
        if (share !== 0)
          out[r]! += weight * valueOf(outer, numbers) * valueOf(inner, rowNumbers(t, given, r)) * share;
      }
    }
  addTotals(t, plan, numbers, weight, u);
}

function addTotals(t: Tensors, plan: ObjectivePlan, numbers: Numbers, weight: number, unit: number): void {
  const loss = valueOf(plan.loss, numbers);
  if (t["losses"]) t["losses"][unit] = loss;
  const hasSlopes = modelNames.some((name) => t[slopeTensor[name]]);
  const totals = [1, loss, (hasSlopes ? weight : 1) * loss, ...plan.sums.map((s) => valueOf(s, numbers))];
  if (t["sums"]) for (const [i, total] of totals.entries()) t["sums"][i]! += total;
}
