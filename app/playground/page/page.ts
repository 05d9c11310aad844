/**
 * What every panel of the page is given, and what it gives back. A panel never imports another one: they meet
 * in the values here, each of which has one owner that sets it.
 */
import type { CheckThread } from "../check/checking.ts";
import type { Checked, Span } from "../check/checked.ts";
import type { ModelHandle } from "../model/model-handle.ts";
import type { Experiment } from "../share/experiment.ts";
import type { Language, TextKey, TextValues } from "../texts/texts.ts";
import type { PanelId } from "./panel-ids.ts";
import type { Value } from "./value.ts";

export interface Panel {
  readonly element: HTMLElement;
  /** It can be seen from now on: also called the first time. */
  shown?(): void;
  /** Another one is in its place: what costs time may wait. */
  hidden?(): void;
}

/** A panel is opened once, when it is first shown, and stays. */
export type OpenPanel = (page: Page) => Panel | Promise<Panel>;

/** The spec that is being written. */
export interface Spec {
  readonly text: string;
  /** Which of its models is meant. Undefined: the last one. */
  readonly model: string | undefined;
}

export interface Page {
  /** What the editor holds. Setting it replaces the editor's text, which can be undone there. */
  readonly spec: Value<Spec>;
  /** What is known of the spec, newest answer first; undefined until the first one. */
  readonly checked: Value<Checked | undefined>;
  /** The thread that checks: questions about any text. */
  readonly check: CheckThread;
  /** What a run of it is made of, beside the spec: all that a link pins. */
  readonly experiment: Value<Experiment>;
  /** Where the editor's cursor is, as an offset in the text. */
  readonly cursor: Value<number>;
  /** The one model of the page, in a thread of its own. */
  readonly model: ModelHandle;
  readonly language: Value<Language>;
  /** A text in the visitor's language, with `{name}` filled in from `values`. */
  text(key: TextKey, values?: TextValues): string;
  /** The same as an element that follows the language. */
  words(key: TextKey, values?: TextValues): HTMLElement;
  /** Says something to those who do not see the page. */
  announce(message: string): void;
  /** Opens a panel. */
  show(panel: PanelId): void;
  /** Puts the cursor at a place of the spec, brings it into view and lights it up. */
  edit(span: Span): void;
  /** The same, but whoever is using a panel stays there. */
  point(span: Span): void;
}
