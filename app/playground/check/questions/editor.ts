/** What the editor asks: the language service, question by question, as data that threads can send. */
import { exactBytes } from "../../../../compiler/language-service/exact-bytes.ts";
import type {
  Action,
  Analysis,
  Completion,
  Diagnostic,
  Edit,
  Hover,
  Renamed,
  Span,
} from "../../../../compiler/language-service/language-service.ts";
import type { Call } from "../../page/thread-call.ts";
import { analysisOf } from "../analysis-of.ts";
import type { Analysed, BytesOfModel, ModelFacts } from "../checked.ts";

interface Place {
  readonly text: string;
  readonly at: number;
}

export const editorQuestions = {
  analyse: (text: string): Analysed => {
    const analysis = analysisOf(text);
    const { diagnostics } = analysis;
    return {
      text,
      diagnostics,
      fixes: diagnostics.map((d) => fixesOf(analysis, d)),
      models: analysis.models.map(factsOf),
      tokens: analysis.tokens(),
      hints: analysis.inlayHints(),
    };
  },
  /** Reports each model's bytes as soon as they are known, by the model's number. */
  bytes: async (text: string, { signal, report }: Call<BytesReport>): Promise<void> => {
    for (const [i, { model }] of analysisOf(text).models.entries()) {
      await new Promise((next) => setTimeout(next)); // other questions go first
      if (signal.aborted) return;
      report({ model: i, bytes: exactBytes(model, navigator.hardwareConcurrency) });
    }
  },
  hover: ({ text, at }: Place): Hover | undefined => analysisOf(text).hover(at),
  complete: ({ text, at }: Place): readonly Completion[] => analysisOf(text).complete(at),
  definition: ({ text, at }: Place): Span | undefined => analysisOf(text).definition(at),
  /** All places of the name at a place. */
  places: ({ text, at }: Place): readonly Span[] => analysisOf(text).references(at, true),
  renameRange: ({ text, at }: Place) => analysisOf(text).renameRange(at),
  rename: ({ text, at, name }: Place & { readonly name: string }): Renamed =>
    analysisOf(text).rename(at, name),
  format: (text: string): readonly Edit[] => analysisOf(text).format(),
  actions: ({ text, within }: { readonly text: string; readonly within: Span }): readonly Action[] =>
    analysisOf(text).actions(within),
};

export interface BytesReport {
  readonly model: number;
  readonly bytes: BytesOfModel;
}

const fixesOf = (analysis: Analysis, d: Diagnostic): readonly Action[] =>
  analysis.actions(d.span).filter(({ fixes }) => fixes === d);

const factsOf = ({ flopsPerToken, ...facts }: Analysis["models"][number]): ModelFacts => ({
  ...facts,
  flopsPerToken,
  bytes: undefined,
});
