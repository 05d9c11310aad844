/**
 * Sliders over sizes that are chosen by their ratio: each has a list of values, equally far apart in ratio,
 * among them the spec's own.
 */
import { element } from "../../page/element.ts";

export interface Slider {
  readonly element: HTMLElement;
  /** Undefined: as the spec has it. */
  readonly value: number | undefined;
  /** What the spec says; a slider that was not moved goes with it. */
  setOwn(own: number): void;
  reset(): void;
}

export interface SliderOptions {
  readonly name: HTMLElement;
  readonly values: readonly number[];
  show(value: number): string;
  moved(): void;
}

/** From `least` to `most`, `count` values for each doubling, as multiples of `step`. */
export function ratios(least: number, most: number, count: number, step: number): readonly number[] {
  const all = Array.from({ length: Math.ceil(Math.log2(most / least) * count) + 1 }, (_, i) =>
    Math.max(step, Math.round((least * 2 ** (i / count)) / step) * step),
  );
  return [...new Set(all)].filter((value) => value <= most);
}

export function slider({ name, values, show, moved }: SliderOptions): Slider {
  let own = values[0]!;
  let list = values;
  let isMoved = false;
  const input = element("input", { type: "range", min: 0, max: values.length - 1 });
  const output = element("output");
  const showValue = (): void => {
    const text = show(list[input.valueAsNumber]!);
    output.textContent = text;
    input.setAttribute("aria-valuetext", text);
  };
  input.addEventListener("input", () => {
    isMoved = list[input.valueAsNumber] !== own;
    showValue();
    moved();
  });
  const place = (value: number): void => {
    input.max = String(list.length - 1);
    input.value = String(list.indexOf(value));
    showValue();
  };
  return {
    element: element("label", { class: "slider" }, name, output, input),
    get value() {
      return isMoved ? list[input.valueAsNumber] : undefined;
    },
    setOwn(next) {
      const now = isMoved ? list[input.valueAsNumber]! : next;
      own = next;
      list = [...new Set([...values, next, now])].sort((a, b) => a - b);
      place(now);
    },
    reset() {
      isMoved = false;
      place(own);
    },
  };
}
