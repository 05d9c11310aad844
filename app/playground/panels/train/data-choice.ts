/** What the model learns from: the example's text, or one that the visitor pastes, drops or chooses. */
import { textOf } from "../../gallery/open-experiment.ts";
import { exampleOf } from "../../gallery/examples.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";
import type { Data } from "../../share/experiment.ts";
import { takeDrops } from "./drops.ts";

export function dataChoice(page: Page, ...more: readonly HTMLElement[]): HTMLElement {
  const about = element("p", { class: "soft" });
  const size = element("p", { class: "soft", role: "status" });
  const area = element("textarea", {
    rows: 6,
    "data-label": "train.ownName",
    "aria-label": page.text("train.ownName"),
    oninput: () => showSize(),
  });
  let name = "";
  const showSize = (): void => {
    size.replaceChildren(sizeOf(page, area.value));
    useOwn.disabled = area.value === "";
  };
  const take = async (file: File): Promise<void> => {
    area.value = await file.text();
    name = file.name;
    showSize();
  };
  const file = element("input", {
    type: "file",
    accept: ".txt,.md,.csv,text/*",
    "data-label": "train.chooseFile",
    "aria-label": page.text("train.chooseFile"),
    onchange: () => void (file.files?.[0] && take(file.files[0])),
  });
  const use = (data: Data): void => page.experiment.set({ ...page.experiment.now, data, moves: [] });
  const useOwn = element(
    "button",
    { type: "button", disabled: true, onclick: () => use({ kind: "own", name, text: area.value }) },
    page.words("train.useText"),
  );
  const back = element(
    "button",
    {
      type: "button",
      onclick: () => use({ kind: "example", id: exampleOf(page.experiment.now.example)?.id ?? "quickstart" }),
    },
    page.words("train.backToExample"),
  );
  const own = element(
    "details",
    { class: "own" },
    element("summary", {}, page.words("train.ownText")),
    element("p", { class: "soft" }, page.words("train.ownHint")),
    area,
    size,
    element("div", { class: "row" }, useOwn, file, back),
  );
  takeDrops(own, ([dropped]) => void take(dropped!));
  page.experiment.watch(({ data }) => {
    back.hidden = data.kind === "example";
    void showData(page, data, about);
  });
  return element("section", { class: "data" }, about, own, ...more);
}

async function showData(page: Page, data: Data, about: HTMLElement): Promise<void> {
  const name =
    data.kind === "example"
      ? page.words("train.exampleText")
      : element("q", {}, data.name || page.text("train.ownName"));
  const text = await textOf(data).catch(() => "");
  if (page.experiment.now.data !== data) return;
  about.replaceChildren(
    page.words("train.data"),
    " ",
    name,
    ": ",
    sizeOf(page, text),
    element("br"),
    opening(text),
  );
}

/** How it begins. */
const opening = (text: string): HTMLElement =>
  element("q", { class: "opening" }, `${text.slice(0, 90).replaceAll(/\s+/g, " ")} …`);

const sizeOf = (page: Page, text: string): HTMLElement =>
  page.words("train.size", { characters: [...text].length, bytes: new TextEncoder().encode(text).length });
