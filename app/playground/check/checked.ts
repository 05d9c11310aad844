/** What the checking thread answers, as plain data. Places are offsets in the text, ends are exclusive. */
import type {
  Action,
  ClassifiedToken,
  Diagnostic,
  InlayHint,
  ModelFacts as ServiceFacts,
  ModuleBytes,
} from "../../../compiler/language-service/language-service.ts";
import type { ModuleName } from "../../../runtime/contract/manifest.ts";

export type { Diagnostic, Span } from "../../../compiler/language-service/language-service.ts";

export type BytesOfModel = Readonly<Record<ModuleName, ModuleBytes>>;

export interface ModelFacts extends ServiceFacts {
  /** What its modules take in memory; it follows a moment after everything else. */
  readonly bytes: BytesOfModel | undefined;
}

/** All that an editor shows of a text without being asked. */
export interface Analysed {
  readonly text: string;
  readonly diagnostics: readonly Diagnostic[];
  /** Beside each diagnostic, what would mend it. */
  readonly fixes: readonly (readonly Action[])[];
  /** Models without errors. */
  readonly models: readonly ModelFacts[];
  readonly tokens: readonly ClassifiedToken[];
  readonly hints: readonly InlayHint[];
}

export interface Checked extends Analysed {
  /** As of this text, or where it has none, of the newest text that had some: then `isCurrent` is false. */
  readonly models: readonly ModelFacts[];
  readonly isCurrent: boolean;
}

/** The model that a page's spec means: the one of that name, else the last one. */
export const chosenModel = (
  models: readonly ModelFacts[],
  name: string | undefined,
): ModelFacts | undefined => models.find((model) => model.name === name) ?? models.at(-1);
