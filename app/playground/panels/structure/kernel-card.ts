/** What is known of one kernel, with the way to its place in the spec and to its code. */
import { flopsText } from "../../../../compiler/language-service/describe.ts";
import { sizeText } from "../../../../runtime/contract/amounts.ts";
import type { PlacedKernel, Structure } from "../../check/questions/structure.ts";
import { element, type Child } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { lineOf } from "../../parts/places.ts";
import type { TextKey } from "../../texts/texts.ts";

export function kernelCard(
  page: Page,
  { parts, text }: Structure,
  kernel: PlacedKernel | undefined,
): readonly HTMLElement[] {
  if (!kernel) return [element("p", { class: "soft" }, page.words("structure.choose"))];
  const { words, doc, step, room, part, flops, times, bytes, tasks, tiles, sizes, tensors } = kernel;
  const place = part && parts.find((one) => one.section === part.section && one.part === part.part);
  const row = (key: TextKey, ...shown: readonly Child[]): HTMLElement =>
    element("div", {}, element("dt", {}, page.words(key)), element("dd", {}, ...shown));
  const count = (n: number): string => n.toLocaleString(page.language.now);
  return [
    element("h3", {}, words.join(" + ")),
    element("p", { class: "soft" }, page.text("structure.step", { step, room })),
    element("p", {}, element("code", {}, doc)),
    ...(words.length > 1 ? [element("p", {}, page.text("structure.joined", { count: words.length }))] : []),
    element(
      "dl",
      {},
      row("structure.arithmetic", page.text("structure.times", { flops: flopsText(flops), count: times })),
      row("structure.moved", sizeText(bytes), " · ", perByte(page, flops / bytes)),
      row("structure.tasks", count(tasks)),
      row("structure.sizes", pairs(sizes)),
      ...(Object.keys(tiles).length > 0 ? [row("structure.tiles", pairs(tiles))] : []),
      ...(tensors.length > 0
        ? [
            row(
              "structure.tensors",
              ...tensors.map(({ name, shape }) => line(`${name} [${shape.join(", ")}]`)),
            ),
          ]
        : []),
    ),
    ...(place
      ? [
          element(
            "p",
            { class: "row" },
            button(page.text("structure.inSpec", { line: lineOf(text, place.span.start) }), () =>
              page.edit(place.span),
            ),
            button(page.text("structure.code"), () => {
              page.point(place.span); // the kernels of this line
              page.show("kernels");
            }),
          ),
          element("pre", { class: "quoted" }, text.slice(place.span.start, place.span.end)),
        ]
      : []),
  ];
}

const perByte = (page: Page, ratio: number): string =>
  page.text("structure.perByte", { count: Number(ratio.toPrecision(2)) });

const pairs = (sizes: Readonly<Record<string, number>>): string =>
  Object.entries(sizes)
    .map(([name, size]) => `${name} ${size}`)
    .join(", ");

const line = (words: string): HTMLElement => element("div", { class: "line" }, words);

const button = (words: string, onclick: () => void): HTMLElement =>
  element("button", { type: "button", onclick }, words);
