/** The long form of a diagnostic. */
import { explanation } from "../../../../compiler/language-service/explanation.ts";
import type { Diagnostic } from "../checked.ts";

export const explainQuestions = {
  /** As Markdown. */
  explain: (code: Diagnostic["code"]): string => explanation(code),
};
