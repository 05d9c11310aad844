/** The newest numbers of the training, each with its unit. */
import { latest } from "../../../../runtime/report/smooth.ts";
import type { StepEvent } from "../../../../runtime/train/events.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { TextKey } from "../../texts/texts.ts";
import { short } from "../../parts/curve.ts";

/** Speed is the mean over so many of the last steps. */
const LAST_STEPS = 20;

export function numbers(page: Page): HTMLElement {
  const cell = (
    key: TextKey,
  ): { readonly box: HTMLElement; readonly value: HTMLElement; readonly unit: HTMLElement } => {
    const value = element("dd", {}, "–");
    const unit = element("small", { class: "soft" });
    return {
      box: element(
        "div",
        {},
        element("dt", {}, page.words(key)),
        value,
        element("dd", { class: "unit" }, unit),
      ),
      value,
      unit,
    };
  };
  const loss = cell("train.loss");
  const validation = cell("train.validation");
  const norm = cell("train.norm");
  const speed = cell("train.speed");
  for (const { unit } of [loss, validation]) unit.append(page.words("train.nats"));
  page.model.opened.watch((opened) => {
    if (!opened) return;
    const guess = Math.log(opened.sizes.vocab).toFixed(2);
    loss.unit.replaceChildren(page.words("train.nats"), "; ", page.words("train.guess", { loss: guess }));
  });
  page.model.events.watch((events) => {
    const steps = events.filter((event): event is StepEvent => event.kind === "step");
    const last = steps.at(-1);
    const measured = events.findLast((event) => event.kind === "eval");
    loss.value.textContent = last ? short(latest(steps.slice(-100).map((step) => step.loss))!) : "–";
    norm.value.textContent = last ? short(last.norm) : "–";
    speed.value.textContent = last
      ? Math.round(speedOf(steps.slice(-LAST_STEPS))).toLocaleString(page.language.now)
      : "–";
    validation.value.textContent = measured?.loss === undefined ? "–" : short(measured.loss);
  });
  return element("dl", { class: "numbers" }, loss.box, validation.box, norm.box, speed.box);
}

/** Tokens of these steps per second of them. */
const speedOf = (steps: readonly StepEvent[]): number => {
  const ms = steps.reduce((sum, step) => sum + step.ms, 0);
  const tokens = steps.reduce((sum, step) => sum + (step.tokensPerSecond * step.ms) / 1000, 0);
  return (tokens * 1000) / ms;
};
