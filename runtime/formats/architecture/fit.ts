/**
 * Checks published tensors against the links of a model: which are missing, have another shape, or are left
 * over, and whether two tensors are the same.
 */
import { SinterError } from "../../base/errors.ts";
import type { Link, Piece } from "./links.ts";
import type { Naming } from "./naming.ts";
import { corruptFile, PIECE, quoted, type StoredTensor, type WeightFile } from "../kit/weights.ts";

/** Tensors by their names, without an optional prefix. */
export type TensorIndex = ReadonlyMap<string, StoredTensor>;

export function indexTensors(file: WeightFile, naming: Naming): TensorIndex {
  const out = new Map<string, StoredTensor>();
  for (const [full, tensor] of file.tensors) {
    const prefix = naming.prefixes.find((p) => full.startsWith(p)) ?? "";
    const name = full.slice(prefix.length);
    const other = out.get(name);
    if (other)
      throw corruptFile(file.path, `tensors ${quoted(other.name)} and ${quoted(full)} are one and the same`);
    out.set(name, tensor);
  }
  return out;
}

const MOST_SHOWN = 8;

/** Throws `input` and names the tensors, with the shape that the model has and the one that the file has. */
export function checkFit(links: readonly Link[], index: TensorIndex, naming: Naming, path: string): void {
  const problems: string[] = [];
  const wanted = new Set<string>();
  for (const { pieces } of links)
    for (const { name, shape } of pieces) {
      wanted.add(name);
      const found = index.get(name);
      if (!found) problems.push(`tensor ${quoted(name)} [${shape}] is missing`);
      else if (!sameShape(found.shape, shape))
        problems.push(`tensor ${quoted(found.name)} is [${found.shape}]; the model has [${shape}]`);
    }
  for (const [name, { name: full, shape }] of index)
    if (!wanted.has(name) && !naming.ignored.test(name))
      problems.push(`tensor ${quoted(full)} [${shape}] has no place in the model`);
  if (problems.length === 0) return;
  const more = problems.length > MOST_SHOWN ? `; and ${problems.length - MOST_SHOWN} more` : "";
  throw new SinterError(
    "input",
    `${path} does not fit the model: ${problems.slice(0, MOST_SHOWN).join("; ")}${more}`,
    "Do the weights belong to the configuration beside them? `sinter inspect` lists them.",
  );
}

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** Whether two tensors hold the same numbers. Reads them some at a time. */
export async function equalTensors(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (!sameShape(a.shape, b.shape)) return false;
  if (a.type === b.type && a.bytes === b.bytes) return equalBytes(a, b);
  for (let at = 0; at < a.elements; at += PIECE) {
    const n = Math.min(PIECE, a.elements - at);
    const [left, right] = [await a.floats(at, n), await b.floats(at, n)];
    for (let i = 0; i < n; i++) if (!Object.is(left[i], right[i])) return false;
  }
  return true;
}

async function equalBytes(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  const [left, right] = [new Uint8Array(Math.min(PIECE, a.bytes)), new Uint8Array(Math.min(PIECE, a.bytes))];
  for (let at = 0; at < a.bytes; at += PIECE) {
    const n = Math.min(PIECE, a.bytes - at);
    await a.fill(at, left.subarray(0, n));
    await b.fill(at, right.subarray(0, n));
    for (let i = 0; i < n; i++) if (left[i] !== right[i]) return false;
  }
  return true;
}

export const pieceTensor = (piece: Piece, index: TensorIndex): StoredTensor => index.get(piece.name)!;
