/** Pieces of a module in the order in which they are listed: by line of the spec, then what is of no line. */
import type { Kernels, KernelText } from "../../check/questions/kernels.ts";

export interface Group {
  /** A place in the answer's parts; or what the pieces are. */
  readonly of: number | "noLine" | "entries" | "shared";
  readonly pieces: readonly KernelText[];
}

/** A piece that is of several lines stands below each. Lines and groups without pieces are left out. */
export function groupsOf({ pieces, parts }: Kernels, search: string): readonly Group[] {
  const found = pieces.filter((piece) => matches(piece, search));
  const kernels = found.filter(({ kind }) => kind === "kernel");
  const byLine = parts
    .map((_, at) => at)
    .toSorted((a, b) => parts[a]!.span.end - parts[b]!.span.end)
    .map((at): Group => ({ of: at, pieces: kernels.filter(({ of }) => of.includes(at)) }));
  const groups: readonly Group[] = [
    ...byLine,
    { of: "noLine", pieces: kernels.filter(({ of }) => of.length === 0) },
    { of: "entries", pieces: found.filter(({ kind }) => kind === "entry") },
    { of: "shared", pieces: found.filter(({ kind }) => kind !== "entry" && kind !== "kernel") },
  ];
  return groups.filter((group) => group.pieces.length > 0);
}

/** Every word stands in its name or its code. */
export function matches({ name, text }: KernelText, search: string): boolean {
  const all = `${name}\n${text}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
