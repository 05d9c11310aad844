/** The panel that trains: an example to begin with, a text, buttons, curves, samples, and what runs where. */
import { sizeText } from "../../../../runtime/contract/amounts.ts";
import { element } from "../../page/element.ts";
import type { OpenPanel, Page } from "../../page/page.ts";
import "./train.css";
import { bringingModel } from "./bring-model.ts";
import { controls } from "./controls.ts";
import { curves } from "./curves.ts";
import { dataChoice } from "./data-choice.ts";
import { examplesToChoose } from "./examples-to-choose.ts";
import { leftRunsToGoOn } from "./left-runs-to-go-on.ts";
import { numbers } from "./numbers.ts";
import { samples } from "./samples.ts";
import { settings } from "./settings.ts";
import { trainer } from "./trainer.ts";

export const openTrainPanel: OpenPanel = (page) => {
  const training = trainer(page);
  const curve = curves(page);
  const panel = element(
    "div",
    { class: "train" },
    examplesToChoose(page),
    leftRunsToGoOn(page),
    dataChoice(page, bringingModel(page, training)),
    controls(page, training),
    numbers(page),
    curve.element,
    settings(page, training),
    samples(page),
    whatRunsWhere(page),
  );
  return { element: panel, shown: curve.shown };
};

function whatRunsWhere(page: Page): HTMLElement {
  const where = element("p", { class: "soft where" });
  page.model.opened.watch((opened) => {
    if (!opened) return where.replaceChildren();
    const { parameters, memoryBytes, workers, target, tokens, notes } = opened;
    const facts = page.words(workers === 1 ? "train.where" : "train.whereThreads", {
      parameters,
      memory: sizeText(memoryBytes),
      threads: workers,
      target,
      tokens: tokens.train,
      heldOut: tokens.heldOut,
    });
    return where.replaceChildren(facts, ...notes.map((note) => element("span", {}, ` ${note}`)));
  });
  return where;
}
