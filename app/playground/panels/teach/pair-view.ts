/**
 * Two answers side by side, without a word of where they come from: to be judged by keys, by clicks, by
 * touch. What a key means is in THE table of runtime/train/labelling.ts.
 */
import type { Choice } from "../../../../runtime/train/examples/feedback.ts";
import { labelActionOf } from "../../../../runtime/train/labelling.ts";
import type { PairToJudge } from "../../../teaching/next-pair.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { button } from "./controls.ts";

export type PairAction = Choice | "undo";

export interface PairView {
  readonly element: HTMLElement;
  /** Undefined: nothing can be chosen now. */
  show(pair: PairToJudge | undefined): void;
  /** Keys act from now on. */
  focus(): void;
}

const actions = {
  a: "teach.left",
  b: "teach.right",
  tie: "teach.tie",
  both_bad: "teach.bad",
  undo: "teach.undo",
} as const satisfies Record<PairAction, string>;

export function pairView(page: Page, act: (action: PairAction) => void): PairView {
  const question = element("p", { class: "teach-question", "aria-live": "polite" });
  const texts = [element("p", {}), element("p", {})] as const;
  const buttons = (Object.keys(actions) as PairAction[]).map((action) => {
    // a button that is disabled while it acts would lose the keys
    const acts = (): void => (whole.focus({ preventScroll: true }), act(action));
    return button(page, actions[action], acts, { disabled: true, "data-choice": action });
  });
  const [left, right, ...others] = buttons;
  const cards = [left!, right!].map((pick, i) =>
    element("div", { class: "card teach-card" }, texts[i]!, pick),
  );
  const whole = element(
    "div",
    { class: "teach-choosing", tabindex: -1, hidden: true },
    question,
    element("div", { class: "teach-cards" }, ...cards),
    element("div", { class: "row" }, ...others),
  );
  whole.addEventListener("keydown", (event) => {
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    act(action);
  });
  return {
    element: whole,
    show(pair) {
      question.textContent = pair?.question ?? "";
      for (const [i, text] of texts.entries()) text.textContent = pair?.answers[i] ?? "";
      for (const one of buttons) one.disabled = !pair;
    },
    focus: () => whole.focus({ preventScroll: true }),
  };
}

function actionOf({ key, ctrlKey, altKey, metaKey }: KeyboardEvent): PairAction | undefined {
  const action = ctrlKey || altKey || metaKey ? undefined : labelActionOf(key);
  return action === "skip" || action === "quit" ? undefined : action;
}
