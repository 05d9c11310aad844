/** Completion: what the language service offers at the cursor, with places to fill in. */
import {
  autocompletion,
  snippet,
  type Completion as Offered,
  type CompletionContext,
} from "@codemirror/autocomplete";
import type { Extension } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import type { Completion, CompletionKind } from "../../../compiler/language-service/language-service.ts";
import type { CheckThread } from "../check/checking.ts";
import { element } from "../page/element.ts";
import { markdownElements } from "./markdown.ts";
import { codeMirrorSnippet } from "./snippet.ts";

/** CodeMirror's words for kinds, which choose the icon. */
const types = {
  keyword: "keyword",
  section: "namespace",
  setting: "property",
  let: "variable",
  part: "function",
  option: "property",
  value: "variable",
  word: "enum",
  model: "class",
  objective: "interface",
  function: "function",
} as const satisfies Record<CompletionKind, string>;

/** Digits of a rank: they are sorted as text. */
const RANK_DIGITS = 6;
/** A name, or nothing: while that is written, the list stays and is filtered. */
const NAME = /^[A-Za-z_][A-Za-z0-9_-]*$|^$/;

export const completion = (thread: CheckThread): Extension =>
  autocompletion({
    icons: false,
    override: [
      async (context: CompletionContext) => {
        if (!context.explicit && !context.matchBefore(/[A-Za-z_][A-Za-z0-9_]*/)) return null;
        const text = context.state.doc.toString();
        const asked = new AbortController();
        context.addEventListener("abort", () => asked.abort(), { onDocChange: true });
        try {
          const at = context.pos;
          const found = await thread.call("complete", { text, at }, { signal: asked.signal });
          if (found.length === 0) return null;
          return { from: found[0]!.replaces.start, options: found.map(offered), validFor: NAME };
        } catch (error) {
          if (asked.signal.aborted) return null;
          throw error;
        }
      },
    ],
  });

function offered({ label, insert, isSnippet, kind, detail, documentation, rank }: Completion): Offered {
  return {
    label,
    detail,
    type: types[kind],
    sortText: String(rank).padStart(RANK_DIGITS, "0"),
    boost: -Math.min(99, rank),
    info: () =>
      documentation === "" ? null : element("div", { class: "about" }, ...markdownElements(documentation)),
    apply: isSnippet ? filledIn(insert) : insert,
  };
}

function filledIn(insert: string) {
  const apply = snippet(codeMirrorSnippet(insert));
  return (view: EditorView, completion: Offered, from: number, to: number): void =>
    apply(view, completion, from, to);
}
