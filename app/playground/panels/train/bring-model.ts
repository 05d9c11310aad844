/** A published model that is dropped on the page: its spec goes into the editor, then it is opened. */
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import { takeDrops } from "./drops.ts";
import type { Trainer } from "./trainer.ts";

export function bringingModel(page: Page, training: Trainer): HTMLElement {
  const said = element("p", { class: "soft", role: "status" });
  const bring = async (dropped: readonly File[]): Promise<void> => {
    said.classList.remove("wrong");
    said.replaceChildren(page.words("train.importing", { name: dropped[0]!.name }));
    try {
      const { bringModel } = await import("../../import/bring-model.ts");
      const brought = await bringModel(dropped);
      page.model.close();
      page.spec.set({ text: brought.spec, model: undefined });
      page.experiment.set({ ...page.experiment.now, steps: 200, moves: [] });
      training.bring(brought);
      await training.begin();
      const opened = page.model.opened.now;
      said.replaceChildren(
        ...(opened
          ? [page.words("train.imported", { name: opened.name, parameters: opened.parameters })]
          : []),
        ...brought.notes.map((note) => element("span", {}, ` ${note}.`)),
      );
    } catch (cause) {
      said.classList.add("wrong");
      said.replaceChildren(page.words("train.failed", { error: (cause as Error).message }));
    }
  };
  const file = element("input", {
    type: "file",
    multiple: true,
    "data-label": "train.chooseFile",
    "aria-label": page.text("train.chooseFile"),
    onchange: () => void (file.files?.length && bring([...file.files])),
  });
  const place = element(
    "details",
    { class: "bring" },
    element("summary", {}, page.words("train.import")),
    element("p", { class: "soft" }, page.words("train.importHint")),
    file,
    said,
  );
  takeDrops(place, (dropped) => void bring(dropped));
  return place;
}
