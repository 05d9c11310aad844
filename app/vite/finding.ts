/** A diagnostic as bundlers show it: a message, its place, and the lines around it. */
import { render } from "../../compiler/diagnostics/render.ts";
import type { Diagnostic } from "../../compiler/diagnostics/report.ts";
import { positionOf, type Source } from "../../compiler/diagnostics/span.ts";

export interface Finding {
  readonly message: string;
  readonly loc: { readonly file: string; readonly line: number; readonly column: number };
  /** The source line with a mark below it, then notes and help. */
  readonly frame: string;
}

export function findingOf(found: Diagnostic, source: Source): Finding {
  const { line, column } = positionOf(source.text, found.span.start);
  const [, , ...frame] = render(found, source).split("\n"); // the message and the place are beside it
  return {
    message: `${found.text} (${found.code})`,
    loc: { file: source.name, line, column },
    frame: frame.join("\n"),
  };
}

/** Several as one: the first one's place, and all of them to read. */
export function asOne([first, ...rest]: readonly [Finding, ...Finding[]]): Finding {
  const others = rest.map(({ message, loc, frame }) => `${message}\n${loc.line}:${loc.column}\n${frame}`);
  return { ...first, frame: [first.frame, ...others].join("\n\n") };
}
