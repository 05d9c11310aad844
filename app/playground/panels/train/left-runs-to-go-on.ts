/** A run that an earlier visit has left: to go on with, or to be removed. */
import { parseExperiment } from "../../share/experiment.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { LeftRun } from "../../model/model-calls.ts";
import { startModelThread } from "../../model/model-handle.ts";
import { coresHere } from "./trainer.ts";

export function leftRunsToGoOn(page: Page): HTMLElement {
  const place = element("section", { class: "left" });
  const look = async (): Promise<void> => {
    const thread = startModelThread();
    try {
      const [run] = await thread.call("left", undefined);
      place.replaceChildren(...(run ? [offer(page, run, look)] : []));
    } finally {
      thread.end();
    }
  };
  void look().catch((cause: unknown) => console.error(cause));
  page.model.state.watch((state) => {
    place.hidden = state !== "none";
  });
  return place;
}

function offer(page: Page, run: LeftRun, again: () => Promise<void>): HTMLElement {
  const goOn = async (): Promise<void> => {
    await page.model.restore(run.folder, coresHere());
    const opened = page.model.opened.now!;
    const experiment = parseExperiment(opened.experiment);
    if (experiment) page.experiment.set({ ...experiment, moves: opened.moves });
    page.spec.set({ text: opened.source, model: opened.name });
    page.announce(page.text("train.restored", { step: run.step }));
  };
  const forget = async (): Promise<void> => {
    const thread = startModelThread();
    await thread.call("forget", run.folder).finally(() => thread.end());
    await again();
  };
  const { model, step, steps } = run;
  return element(
    "div",
    { class: "card row" },
    page.words("train.left", { model, step, steps }),
    element(
      "button",
      { type: "button", class: "main", onclick: () => void goOn() },
      page.words("train.goOn"),
    ),
    element("button", { type: "button", onclick: () => void forget() }, page.words("train.forget")),
  );
}
