/**
 * The rows of a data file: JSON Lines (an object on each line), or a JSON array of objects. Whatever is no
 * row is refused with its number, what is wrong, and what to write.
 */
import { SinterError } from "../../base/errors.ts";
import { isObject } from "../../base/schema.ts";
import { textOf } from "../../base/text.ts";
import { kindOfValue, RowError, type Columns, type Row } from "./row.ts";

const FORMS = 'Write one row on each line, {"prompt": "…", "completion": "…"}, or a JSON array of rows.';

/** A row as it stands in the file; `wrong` where it can not be read at all. */
export type ReadRow = Row | { readonly number: number; readonly wrong: RowError };

/** Throws SinterError "input" where the file is of another kind, or has no rows. `from` is its name. */
export function readRows(bytes: Uint8Array, from: string): readonly ReadRow[] {
  const text = decoded(bytes, from);
  const first = /\S/.exec(text)?.[0];
  if (first === undefined) throw new SinterError("input", `${from} is empty`, FORMS);
  if (first === "[") return rowsOfArray(text, from);
  if (first === "{") return rowsOfLines(text, from);
  throw otherKind(text, from);
}

/** Decodes UTF-8. Where it is none, the error names the row, if the file is rows at all. */
function decoded(bytes: Uint8Array, from: string): string {
  try {
    return textOf(bytes, from);
  } catch (error) {
    if (!(error instanceof SinterError)) throw error;
    const row = bytes.includes(0) ? undefined : rowWithBadBytes(bytes);
    const { kind, message, hint } = error;
    throw row === undefined
      ? error
      : new SinterError(kind, `${from}, row ${row}: ${aboutRow(message)}`, hint);
  }
}

/** "FILE is not UTF-8 text: …", when the file's name stands already in front of the row. */
const aboutRow = (message: string): string =>
  message.slice(message.indexOf("is not UTF-8")).replace(/^/, "it ");

/** The first row that has bytes that are no character; undefined where the bytes are no rows. */
function rowWithBadBytes(bytes: Uint8Array): number | undefined {
  const lenient = new TextDecoder().decode(bytes); // with U+FFFD in the place of what is no character
  const isBad = (row: ReadRow): boolean => "wrong" in row || JSON.stringify(row.columns).includes("\ufffd");
  try {
    const rows = lenient.trimStart().startsWith("[") ? rowsOfArray(lenient, "") : rowsOfLines(lenient, "");
    return rows.find(isBad)?.number;
  } catch {
    return undefined;
  }
}

/** An object on each line. Empty lines are passed over, and do not count. */
function rowsOfLines(text: string, from: string): readonly ReadRow[] {
  const rows: ReadRow[] = [];
  for (let start = 0, end = 0; start < text.length; start = end + 1) {
    end = text.indexOf("\n", start);
    if (end < 0) end = text.length;
    const line = text.slice(start, end).trim();
    if (line !== "") rows.push(rowOf(line, rows.length + 1));
  }
  const [first] = rows;
  if (first && "wrong" in first) throw wrongFirstLine(text, first.wrong, from);
  return rows;
}

function rowOf(line: string, number: number): ReadRow {
  try {
    return rowOfValue(JSON.parse(line), number);
  } catch (error) {
    const why = `it is no JSON (${(error as Error).message}): ${shown(line)}`;
    return { number, wrong: new RowError(why, "A row is one JSON object on one line.") };
  }
}

function rowOfValue(value: unknown, number: number): ReadRow {
  if (isObject(value)) return { number, columns: value };
  const why = `it is ${kindOfValue(value)}, not an object`;
  return { number, wrong: new RowError(why, 'Write {"prompt": "…", "completion": "…"}.') };
}

function rowsOfArray(text: string, from: string): readonly ReadRow[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (error) {
    throw new SinterError("input", `${from} is no JSON array: ${(error as Error).message}`, FORMS);
  }
  if (!Array.isArray(rows) || rows.length === 0)
    throw new SinterError("input", `${from} is an array without rows`, FORMS);
  return rows.map((row: unknown, i) => rowOfValue(row, i + 1));
}

/** The first line is no row: perhaps the file is one object over several lines, or a table of columns. */
function wrongFirstLine(text: string, wrong: RowError, from: string): SinterError {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    return new SinterError("input", `${from}, row 1: ${wrong.message}`, `${wrong.write} ${FORMS}`);
  }
  const lists = isObject(whole) ? listsIn(whole) : [];
  const has = lists.length > 0 ? `, with a list in ${lists.map((key) => `"${key}"`).join(", ")}` : "";
  return new SinterError("input", `${from} is one JSON object over several lines${has}, not rows`, FORMS);
}

const listsIn = (object: Columns): readonly string[] =>
  Object.keys(object).filter((key) => Array.isArray(object[key]));

function otherKind(text: string, from: string): SinterError {
  const line = text.trimStart().split("\n", 1)[0]!;
  const commas = line.split(",").length;
  const tabs = line.split("\t").length;
  const what = /^<(?!\|)/.test(line)
    ? "a page of HTML or XML"
    : tabs > 1
      ? `a table with tabs between ${tabs} columns`
      : commas > 1 && !/[.!?]\s/.test(line)
        ? `a table with commas between ${commas} columns`
        : "plain text";
  return new SinterError("input", `${from} holds no rows: it looks like ${what} (${shown(line)})`, FORMS);
}

const SHOWN = 60;
const shown = (line: string): string => (line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line);
