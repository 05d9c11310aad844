/** The buttons, and in one line what happens. */
import { sizeText } from "../../../../runtime/contract/amounts.ts";
import { SinterError } from "../../../../runtime/base/errors.ts";
import { isBuilt } from "../../gallery/open-experiment.ts";
import type { ModelState } from "../../model/model-handle.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { TextKey } from "../../texts/texts.ts";
import type { Trainer } from "./trainer.ts";

/** What the first button says. */
const firstButton: Readonly<Record<ModelState, TextKey>> = {
  none: "train.start",
  compiling: "train.cancel",
  open: "train.start",
  training: "train.pause",
  paused: "train.goOn",
  done: "train.done",
  failed: "train.start",
};

export function controls(page: Page, training: Trainer): HTMLElement {
  const { model } = page;
  const press = (): void => {
    switch (model.state.now) {
      case "compiling":
        return training.cancel();
      case "training":
        return void training.pause();
      default:
        return void training.start();
    }
  };
  const main = element("button", { type: "button", class: "main", onclick: press });
  const step = element(
    "button",
    { type: "button", onclick: () => void training.start(1) },
    page.words("train.step"),
  );
  const reset = element(
    "button",
    { type: "button", onclick: () => void training.begin().then(() => training.start()) },
    page.words("train.reset"),
  );
  const bar = element("progress", {
    max: 1,
    value: 0,
    "data-label": "tab.train",
    "aria-label": page.text("tab.train"),
  });
  const line = element("p", { class: "state", role: "status" });
  const outdated = element("p", { class: "soft outdated" });

  const show = (): void => {
    const state = model.state.now;
    const steps = model.opened.now?.settings.steps ?? page.experiment.now.steps;
    main.replaceChildren(page.words(state === "done" ? "train.start" : firstButton[state]));
    main.disabled = state === "done";
    step.disabled = state === "compiling" || state === "training" || state === "done";
    reset.disabled = !model.opened.now;
    bar.value = Math.min(1, model.step / steps);
    line.replaceChildren(stateLine(page, training, steps));
    line.classList.toggle("wrong", state === "failed");
  };
  for (const value of [model.state, model.opened, training.compiling, model.failure]) value.watch(show);
  model.events.watch(() => {
    bar.value = Math.min(1, model.step / (model.opened.now?.settings.steps ?? 1));
    if (model.state.now === "training") line.firstElementChild?.replaceWith(progressLine(page));
  });
  training.isOutdated.watch((is) => outdated.replaceChildren(...(is ? [page.words("train.changed")] : [])));
  const buttons = element("div", { class: "row" }, main, step, reset);
  return element(
    "section",
    { class: "controls" },
    buttons,
    bar,
    line,
    outdated,
    compilerNote(page, training),
  );
}

/** Said before anything is loaded: what a spec that was changed will need. */
function compilerNote(page: Page, { target }: Trainer): HTMLElement {
  const note = element("p", { class: "soft outdated" });
  const look = async (): Promise<void> => {
    const { text } = page.spec.now;
    if (page.checked.now?.text !== text) return;
    const built = await isBuilt(page, target.now).catch(() => true); // a spec with errors is not compiled
    if (page.spec.now.text === text)
      note.replaceChildren(...(built ? [] : [page.words("train.needsCompiler")]));
  };
  for (const value of [page.checked, page.experiment, target]) value.watch(() => void look());
  return note;
}

const progressLine = (page: Page): HTMLElement =>
  page.words("train.progress", { step: page.model.step, steps: page.model.opened.now!.settings.steps });

function stateLine(page: Page, { compiling }: Trainer, steps: number): HTMLElement {
  const { model } = page;
  switch (model.state.now) {
    case "none":
      return page.words("train.none");
    case "compiling":
      return compilingLine(page, compiling.now);
    case "done":
      return page.words("train.done", { steps });
    case "failed":
      return page.words("train.failed", { error: messageOf(model.failure.now) });
    default:
      return progressLine(page);
  }
}

function compilingLine(page: Page, progress: Trainer["compiling"]["now"]): HTMLElement {
  if (!progress) return page.words("train.opening");
  if (progress.stage === "compiling") return page.words("train.compiling");
  const { loaded, total } = progress;
  const amounts = { loaded: sizeText(loaded), total: total === undefined ? "…" : sizeText(total) };
  return page.words("train.loading", amounts);
}

const messageOf = (cause: unknown): string =>
  cause instanceof SinterError ? [cause.message, cause.hint].filter(Boolean).join(". ") : String(cause);
