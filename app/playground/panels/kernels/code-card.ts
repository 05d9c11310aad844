/** The text of one piece: its colours, where it is called, the lines of the spec that it is of. */
import type { Kernels, KernelText } from "../../check/questions/kernels.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { colouredCode } from "../../parts/code-colours.ts";
import { lineOf } from "../../parts/places.ts";

export function codeCard(page: Page, answer: Kernels, piece: KernelText): readonly HTMLElement[] {
  const { name, text, calls, of } = piece;
  const toLines = of.map((at) => {
    const { span } = answer.parts[at]!;
    const words = page.text("kernels.toLine", { line: lineOf(answer.text, span.start) });
    return element("button", { type: "button", onclick: () => page.edit(span) }, words);
  });
  const called = calls.map(({ entry, room, step }) =>
    element("li", {}, page.text("kernels.call", { entry, room, step })),
  );
  const copied = element("span", { class: "soft", role: "status" });
  const copy = (): void => {
    navigator.clipboard.writeText(text).then(
      () => (copied.textContent = page.text("kernels.copied")),
      () => (copied.textContent = page.text("kernels.notCopied")),
    );
  };
  return [
    element("h2", {}, name),
    element(
      "div",
      { class: "row" },
      element("button", { type: "button", onclick: copy }, page.text("kernels.copy")),
      ...toLines,
      copied,
    ),
    ...(called.length > 0
      ? [
          element(
            "details",
            {},
            element("summary", {}, `${page.text("kernels.calls")} (${called.length})`),
            element("ul", {}, ...called),
          ),
        ]
      : []),
    element(
      "pre",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": page.text("kernels.code", { name }) },
      element("code", {}, ...colouredCode(text.trimEnd())),
    ),
  ];
}
