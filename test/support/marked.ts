/** Texts with a place in them: "‸" stands before it, and is not part of the text. */
export function marked(written: string): { readonly text: string; readonly at: number } {
  const at = written.indexOf("‸");
  if (at < 0) throw new Error("no place is marked");
  return { text: written.slice(0, at) + written.slice(at + 1), at };
}
