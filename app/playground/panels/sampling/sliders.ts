/** Temperature and cuts. A slider that moves changes the draw at once; the model keeps it when it rests. */
import { samplerDefaults, type SamplerSettings } from "../../../../runtime/sample/sampler.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { Drawer } from "./drawer.ts";

interface Slider {
  readonly name: "temperature" | "topK" | "topP" | "minP";
  readonly max: number;
  readonly step: number;
  readonly digits: number;
  /** Where it does nothing. */
  readonly off?: number;
}

const sliders: readonly Slider[] = [
  { name: "temperature", max: 2, step: 0.05, digits: 2 },
  { name: "topK", max: 60, step: 1, digits: 0, off: 0 },
  { name: "topP", max: 1, step: 0.01, digits: 2, off: 1 },
  { name: "minP", max: 1, step: 0.01, digits: 2, off: 0 },
];

export function samplerSliders(page: Page, drawer: Drawer): HTMLElement {
  let settings: SamplerSettings = samplerDefaults;
  const fields = sliders.map(({ name, max, step, digits, off }) => {
    const value = element("output", {});
    const say = (): void => {
      const { [name]: now } = settings;
      value.replaceChildren(now === off ? page.words("sampling.off") : now.toFixed(digits));
    };
    const input = element("input", {
      type: "range",
      min: 0,
      max,
      step,
      oninput() {
        settings = { ...settings, [name]: input.valueAsNumber };
        drawer.setSampler(settings);
        say();
      },
      onchange: () => void page.model.setSampler({ [name]: input.valueAsNumber }),
    });
    page.model.sampler.watch((sampler) => {
      settings = sampler ?? samplerDefaults;
      input.value = String(settings[name]);
      say();
    });
    return element(
      "label",
      { class: "slider" },
      element("span", { class: "name" }, page.words(`sampling.${name}`), value),
      input,
      element("span", { class: "soft about" }, page.words(`sampling.${name}.about`)),
    );
  });
  return element("div", { class: "sliders" }, ...fields);
}
