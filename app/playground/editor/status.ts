/** The line below the editor: what the model comes to, what is wrong, and what can be done about it. */
import { sizeText } from "../../../runtime/contract/amounts.ts";
import type { ModuleBytes } from "../../../compiler/language-service/language-service.ts";
import { chosenModel, type Checked, type ModelFacts } from "../check/checked.ts";
import { element } from "../page/element.ts";
import type { Page } from "../page/page.ts";

export function openStatus(page: Page, line: HTMLElement, mistakes: HTMLElement): void {
  const draw = (): void => {
    const checked = page.checked.now;
    if (!checked) return;
    const facts = chosenModel(checked.models, page.spec.now.model);
    line.replaceChildren(...(facts ? factsShown(page, facts, checked.isCurrent) : []));
    mistakes.textContent = mistakesText(page, checked);
    mistakes.dataset["state"] = checked.diagnostics[0] ? worst(checked) : "fine";
  };
  page.checked.watch(draw);
  page.spec.watch(draw);
  page.language.watch(draw);
}

function factsShown(page: Page, facts: ModelFacts, isCurrent: boolean): HTMLElement[] {
  const { name, parameters, flopsPerToken, bytes } = facts;
  const size = ({ bytes, fits }: ModuleBytes): string =>
    fits ? sizeText(bytes) : page.text("editor.tooLarge", { bytes: sizeText(bytes) });
  const texts = [
    name,
    page.text("editor.parameters", { count: parameters }),
    page.text("editor.flops", { count: flopsPerToken }),
    ...(bytes
      ? [
          page.text("editor.train", { bytes: size(bytes.train) }),
          page.text("editor.infer", { bytes: size(bytes.infer) }),
        ]
      : []),
    ...(isCurrent ? [] : [page.text("editor.earlier")]),
  ];
  return texts.map((text, i) => element("span", i === 0 ? { class: "name" } : {}, text));
}

const count = ({ diagnostics }: Checked, wanted: "error" | "warning"): number =>
  diagnostics.filter(({ severity }) => severity === wanted).length;

const worst = (checked: Checked): string => (count(checked, "error") > 0 ? "error" : "warning");

function mistakesText(page: Page, checked: Checked): string {
  const [errors, warnings] = [count(checked, "error"), count(checked, "warning")];
  const texts = [
    ...(errors > 0 ? [page.text("editor.errors", { count: errors })] : []),
    ...(warnings > 0 ? [page.text("editor.warnings", { count: warnings })] : []),
  ];
  return texts.length > 0 ? texts.join(" · ") : page.text("editor.fine");
}
