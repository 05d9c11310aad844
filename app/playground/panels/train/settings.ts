/** What can be set: some of it while the model learns, from the next step on; the rest for the next run. */
import { trainRanges } from "../../../../runtime/contract/limits.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";
import { pow } from "../../../../runtime/contract/power.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { short } from "../../parts/curve.ts";
import { threadsButton } from "../../share/offline.ts";
import type { TextKey } from "../../texts/texts.ts";
import { coresHere, type Trainer } from "./trainer.ts";

/** The sliders of learning rates are logarithmic: from 10^-5 to 10^-1. */
const LR = { least: -5, most: -1, step: 0.05 } as const;

export function settings(page: Page, training: Trainer): HTMLElement {
  return element(
    "section",
    { class: "settings" },
    element("h3", {}, page.words("train.settings")),
    element(
      "div",
      { class: "fields" },
      learningRate(page),
      temperature(page),
      wholeNumber(page, "seed", "train.seed"),
      wholeNumber(page, "steps", "train.steps"),
      targetChoice(page, training),
      threads(page, training),
    ),
  );
}

const field = (page: Page, title: TextKey, ...content: readonly Node[]): HTMLElement =>
  element("label", { class: "field" }, element("span", {}, page.words(title)), ...content);

function learningRate(page: Page): HTMLElement {
  const value = element("output", {});
  const slider = element("input", {
    type: "range",
    min: LR.least,
    max: LR.most,
    step: LR.step,
    oninput: () => (value.textContent = short(pow(10, slider.valueAsNumber))),
    onchange: () => void page.model.moveLearningRate(Number(pow(10, slider.valueAsNumber).toPrecision(3))),
  });
  const show = (lr: number | undefined): void => {
    slider.disabled = lr === undefined;
    if (lr === undefined) return;
    slider.value = String(Math.log10(lr));
    value.textContent = short(lr);
  };
  const now = (): number | undefined => page.model.moves.now.at(-1)?.to ?? page.model.opened.now?.settings.lr;
  page.model.opened.watch(() => show(page.model.opened.now && now()));
  return field(page, "train.lr", slider, value);
}

function temperature(page: Page): HTMLElement {
  const value = element("output", {});
  const slider = element("input", {
    type: "range",
    min: 0,
    max: 2,
    step: 0.05,
    oninput: () => (value.textContent = slider.valueAsNumber.toFixed(2)),
    onchange: () => void page.model.setSampler({ temperature: slider.valueAsNumber }),
  });
  page.model.sampler.watch((sampler) => {
    slider.disabled = !sampler;
    if (!sampler) return;
    slider.value = String(sampler.temperature);
    value.textContent = sampler.temperature.toFixed(2);
  });
  return field(page, "train.temperature", slider, value);
}

function wholeNumber(page: Page, name: "seed" | "steps", title: TextKey): HTMLElement {
  const { min, max } = trainRanges[name];
  const input = element("input", {
    type: "number",
    min,
    max,
    step: 1,
    onchange() {
      if (!input.checkValidity()) return void input.reportValidity();
      page.experiment.set({ ...page.experiment.now, [name]: input.valueAsNumber, moves: [] });
    },
  });
  page.experiment.watch((now) => (input.value = String(now[name])));
  return field(page, title, input);
}

function targetChoice(page: Page, training: Trainer): HTMLElement {
  const option = (value: Target, text: TextKey): HTMLElement => {
    const made = element("option", { value, "data-text": text });
    made.textContent = page.text(text);
    return made;
  };
  const choice = element(
    "select",
    { onchange: () => training.target.set(choice.value as Target) },
    option("simd", "train.simd"),
    option("relaxed", "train.relaxed"),
  );
  return field(page, "train.target", choice);
}

function threads(page: Page, training: Trainer): HTMLElement {
  if (!crossOriginIsolated) {
    const why = element("span", {}, page.words("train.oneThread"));
    return element("div", { class: "soft field" }, why, threadsButton(page));
  }
  const box = element("input", {
    type: "checkbox",
    checked: training.usesAllCores.now,
    onchange: () => training.usesAllCores.set(box.checked),
  });
  const text = page.words("train.cores", { cores: coresHere() });
  return element("label", { class: "field check" }, box, text);
}
