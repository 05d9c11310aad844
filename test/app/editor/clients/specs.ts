/** Specs for editors: what they say is wrong is compared with what `sinter check` says. */
import { inside } from "../../../support/inside.ts";

/** Mistakes in every way that moves columns: behind an emoji, with CRLF, at the end without a line end. */
export const BROKEN = [
  "// 🧪 a spec with mistakes",
  "model small {",
  "  vocab 256   context 64   width 96   layers 2   heads 7",
  "  😀🧵 widht 96 // behind two emoji",
  "  embed token + position",
  "  layer { x += attention(layernorm(x)) + mlp(layernorm(y)) }",
  "  output linear(layernorm(x), tied: true)",
  "  tokenizer bytes",
  "}",
  "model twin like smal { expect parameters 7 }",
].join("\r\n");

/** One mistake that lets the formatter work, and no tidiness. */
export const UNTIDY = [
  "// 🧹 a spec to be tidied",
  "model untidy {",
  "      context 64  width 96",
  "  layers 2   heads 4",
  "  let narrow   = 24 // 😀 narrow",
  "  embed token + position",
  "  layer {",
  "      x += mlp(layernorm(x), hidden: narrow) + linear(x,out:width/ narrow*narrow)",
  "  }",
  "  output linear(layernorm(x), tied: true)",
  "  tokenizer bytes",
  "  expect parameters 12",
  "}",
  "",
].join("\r\n");

/** A mistake as people and JSON have it: lines and columns from 1, columns in characters. */
export interface Told {
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  /** As the protocol numbers them: 1 error, 2 warning. */
  readonly severity: number;
  readonly code: string;
  readonly text: string;
}

interface Reported extends Omit<Told, "severity"> {
  readonly severity: "error" | "warning";
}

/** What `sinter check` says of a file in a folder. */
export async function toldByCheck(folder: string, file: string): Promise<Told[]> {
  const { out } = await inside(["check", file, "--json"], folder);
  const { diagnostics } = JSON.parse(out) as { readonly diagnostics: readonly Reported[] };
  return diagnostics.map(({ line, column, endLine, endColumn, severity, code, text }) => ({
    line,
    column,
    endLine,
    endColumn,
    severity: severity === "error" ? 1 : 2,
    code,
    text,
  }));
}
