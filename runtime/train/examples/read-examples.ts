/**
 * A data file as examples. Its shape is recognised by the keys of its rows, and said; a row that can not be
 * used is an error, or is dropped where that was asked for; whatever is dropped is counted and named.
 */
import { counted } from "../../contract/amounts.ts";
import { SinterError } from "../../base/errors.ts";
import type { Example, ExampleKind, ExampleOf, PromptExample } from "./example.ts";
import { isUndecided } from "./feedback.ts";
import { readRows, type ReadRow } from "./read-rows.ts";
import { RowError, type Columns, type Row } from "./row.ts";
import { shapeOf, shapes, type Shape } from "./shapes.ts";

export interface Dropped {
  readonly why: string;
  readonly rows: readonly number[];
}

export interface Examples<Kind extends ExampleKind> {
  /** The file's name, for messages. */
  readonly from: string;
  readonly shape: Shape;
  readonly examples: readonly ExampleOf<Kind>[];
  /** Rows in the file. */
  readonly rows: number;
  readonly dropped: readonly Dropped[];
  /** Keys of the shape that rows have, and keys that nobody reads. */
  readonly used: readonly string[];
  readonly unused: readonly string[];
}

export interface ReadExamplesOptions<Kind extends ExampleKind> {
  readonly from: string;
  /** The kinds of examples that can be used. `prompt` is found in all shapes that have one. */
  readonly wanted: readonly Kind[];
  /** What uses them, for messages: "sft". */
  readonly user: string;
  /** Drops rows that are wrong, instead of refusing the file. */
  readonly dropWrong?: boolean;
}

/** Throws SinterError "input" with the row's number, what is wrong with it, and what to write. */
export function readExamples<Kind extends ExampleKind>(
  bytes: Uint8Array,
  o: ReadExamplesOptions<Kind>,
): Examples<Kind> {
  const all = readRows(bytes, o.from);
  // a prompt is one, whatever was thought of its answers
  const undecided = o.wanted.includes("prompt" as Kind) ? [] : all.filter(isUndecided);
  const rows = undecided.length === 0 ? all : all.filter((row) => !isUndecided(row));
  if (rows.length === 0)
    throw new SinterError("input", `${o.from}: in none of its rows is one answer preferred`, USE);
  const shape = commonShape(rows, o.from);
  const read = readerFor(shape, rows, o);
  const examples: ExampleOf<Kind>[] = [];
  const wrong: WrongRow[] = [];
  const same: number[] = [];
  const keys = new Set<string>();
  for (const row of rows) {
    const example = "wrong" in row ? row.wrong : tried(read, row, shape);
    if (example instanceof RowError) wrong.push({ number: row.number, error: example });
    else if (isPairOfEquals(example)) same.push(row.number);
    else examples.push(example as ExampleOf<Kind>);
    if ("columns" in row) for (const key of Object.keys(row.columns)) keys.add(key);
  }
  if (wrong.length > 0 && !o.dropWrong) throw refusal(wrong, o.from);
  const dropped = [
    ...droppedOf(
      "no answer was preferred (a tie, or both bad)",
      undecided.map(({ number }) => number),
    ),
    ...droppedOf("chosen and rejected are the same", same),
    ...droppedOf(
      `wrong (the first: ${wrong[0]?.error.message})`,
      wrong.map(({ number }) => number),
    ),
  ];
  if (examples.length === 0)
    throw new SinterError("input", `${o.from}: none of its ${counted(all.length, "row")} can be used`, USE);
  const used = [...shape.needs, ...shape.may].filter((key) => keys.has(key));
  // beside a prompt, every column may be what a reward asks for
  const allRead = examples[0]!.kind === "prompt";
  const unused = allRead ? [] : [...keys].filter((key) => !used.includes(key));
  return { from: o.from, shape, examples, rows: all.length, dropped, used, unused };
}

interface WrongRow {
  readonly number: number;
  readonly error: RowError;
}

const USE = "There has to be one row at least that something can be learnt from.";

/** How many rows are looked at before the shape of the file is known. */
const LOOKED_AT = 100;

/** The shape that most of the first rows have, so that a flaw in the first row does not decide. */
function commonShape(rows: readonly ReadRow[], from: string): Shape {
  const count = new Map<Shape, number>();
  for (const row of rows.slice(0, LOOKED_AT)) {
    const shape = "columns" in row ? shapeOf(row.columns) : undefined;
    if (shape) count.set(shape, (count.get(shape) ?? 0) + 1);
  }
  const [most] = [...count].sort(([, a], [, b]) => b - a);
  if (most) return most[0];
  const first = rows.find((row): row is Row => "columns" in row);
  const keys = Object.keys(first?.columns ?? {}).map((key) => `"${key}"`);
  throw new SinterError(
    "input",
    keys.length === 0
      ? `${from}, row ${first?.number ?? 1}: it has no keys`
      : `${from}, row ${first!.number}: its keys ${keys.join(", ")} are of no known kind of rows`,
    `Rows are known by their keys: ${formsText()}.`,
  );
}

/** Keys that are other names of those in the list of forms. */
const aliases: readonly string[] = ["question", "query", "response", "kto_tag"];

/** The usual way to write each kind of rows: "text; prompt + completion; …". */
const formsText = (): string => {
  const usual = shapes.filter(({ needs }) => !needs.some((key) => aliases.includes(key)));
  return [...new Set(usual.map(({ needs }) => needs.join(" + ")))].join("; ");
};

type ReadExample = (columns: Columns, row: number) => Example;

/** How rows of this shape become what is wanted. Throws where they can not. */
function readerFor<Kind extends ExampleKind>(
  shape: Shape,
  rows: readonly ReadRow[],
  { wanted, user, from }: ReadExamplesOptions<Kind>,
): ReadExample {
  if (wanted.includes(shape.kind as Kind)) return shape.read;
  const { prompt } = shape;
  if (wanted.includes("prompt" as Kind) && prompt)
    return (columns, row): PromptExample => ({ kind: "prompt", row, prompt: prompt(columns), columns });
  const isWithoutAnswer = shape.kind === "prompt" && wanted.includes("answer" as Kind);
  const { number = 1 } = rows[0] ?? {};
  throw new SinterError(
    "input",
    isWithoutAnswer
      ? `${from}, row ${number}: it is without an answer: it has ${keysOf(rows)}`
      : `${from} holds ${shape.name} (${shape.needs.join(", ")}), which ${user} does not learn from`,
    isWithoutAnswer ? `Write ${ANSWERS}.` : (otherVerb[shape.kind] ?? `Write ${ANSWERS}.`),
  );
}

const ANSWERS = '{"prompt": "…", "completion": "…"}';
const otherVerb: Partial<Readonly<Record<ExampleKind, string>>> = {
  pair: "Pairs of answers are for sinter prefer and sinter reward.",
  judged: "Answers with a label are for sinter prefer with `objective kto`.",
  answer: "Questions with their answers are for sinter sft.",
  text: "Texts are for sinter train, and for sinter sft.",
};

const keysOf = ([row]: readonly ReadRow[]): string =>
  row && "columns" in row
    ? Object.keys(row.columns)
        .map((key) => `"${key}"`)
        .join(", ")
    : "nothing";

/** The example of a row, or what is wrong with it. */
function tried(read: ReadExample, { columns, number }: Row, shape: Shape): Example | RowError {
  try {
    return read(columns, number);
  } catch (error) {
    if (!(error instanceof RowError)) throw error;
    const other = shapeOf(columns);
    if (other === undefined || other === shape || other.kind === "prompt") return error;
    return new RowError(
      `it is of another kind (${other.needs.join(", ")}) than the others (${shape.needs.join(", ")})`,
      `Put rows of one kind into one file. ${error.write}`,
    );
  }
}

function refusal([first, ...rest]: readonly WrongRow[], from: string): SinterError {
  const more = rest.length === 0 ? "" : `; and ${counted(rest.length, "row")} more: ${rowsText(rest)}`;
  const { number, error } = first!;
  return new SinterError(
    "input",
    `${from}, row ${number}: ${error.message}${more}`,
    `${error.write} Or leave such rows out: --drop-wrong.`,
  );
}

const rowsText = (rows: readonly WrongRow[]): string => listed(rows.map(({ number }) => number));

const LISTED = 8;
/** "3, 12, 90 …": some numbers, and whether there are more. */
export const listed = (numbers: readonly number[]): string =>
  numbers.slice(0, LISTED).join(", ") + (numbers.length > LISTED ? " …" : "");

const droppedOf = (why: string, rows: readonly number[]): readonly Dropped[] =>
  rows.length === 0 ? [] : [{ why, rows }];

const isPairOfEquals = (example: Example): boolean =>
  example.kind === "pair" && JSON.stringify(example.chosen) === JSON.stringify(example.rejected);

/** "data.json: 1,100 rows of Alpaca (instruction, output); learnt: output; not read: id". */
export function examplesLine(
  { from, rows, shape, used, unused }: Omit<Examples<ExampleKind>, "examples" | "dropped">,
  asPrompts = false,
): string {
  const kind = `${shape.name} (${used.join(", ")})`;
  const learnt = asPrompts ? "only their prompts are used" : `learnt: ${shape.learns}`;
  const rest = unused.length === 0 ? "" : `; not read: ${unused.join(", ")}`;
  return `${from}: ${counted(rows, "row")} of ${kind}; ${learnt}${rest}`;
}

/** "dropped 6 rows: chosen and rejected are the same (rows 12, 90 …)". */
export const droppedLine = ({ why, rows }: Dropped): string =>
  `dropped ${counted(rows.length, "row")}: ${why} (${rows.length === 1 ? "row" : "rows"} ${listed(rows)})`;
