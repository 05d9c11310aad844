/** What the model writes: now and then while it learns, and after a beginning of the visitor's. */
import type { SampleEvent } from "../../../../runtime/train/events.ts";
import { element } from "../../page/element.ts";
import type { Page } from "../../page/page.ts";

const TOKENS = 200;
/** So many earlier samples are listed. */
const LISTED = 12;

export function samples(page: Page): HTMLElement {
  const newest = element("div", { class: "sample card" });
  const earlier = element("div", {});
  const list = element("details", {}, element("summary", {}, page.words("train.earlier")), earlier);
  page.model.events.watch((events) => {
    const made = events.filter((event): event is SampleEvent => event.kind === "sample");
    const last = made.at(-1);
    newest.replaceChildren(...(last ? [sampleOf(page, last)] : [page.words("train.noSamples")]));
    list.hidden = made.length < 2;
    earlier.replaceChildren(
      ...made
        .slice(-1 - LISTED, -1)
        .toReversed()
        .map((sample) => sampleOf(page, sample)),
    );
  });
  return element(
    "section",
    { class: "samples" },
    element("h3", {}, page.words("train.samples")),
    newest,
    list,
    writing(page),
  );
}

const sampleOf = (page: Page, { step, text }: SampleEvent): HTMLElement =>
  element(
    "figure",
    {},
    element("pre", {}, text),
    element("figcaption", { class: "soft" }, page.words("train.atStep", { step })),
  );

/** A text after a prompt. The same prompt at the same step gives another text each time. */
function writing(page: Page): HTMLElement {
  const out = element("pre", { class: "written", "aria-live": "off" });
  const prompt = element("input", {
    type: "text",
    value: "The ",
    "data-label": "train.prompt",
    "aria-label": page.text("train.prompt"),
  });
  const button = element("button", { type: "submit", disabled: true }, page.words("train.write"));
  let stop: AbortController | undefined;
  let seed = 0;
  const write = async (): Promise<void> => {
    stop = new AbortController();
    button.replaceChildren(page.words("train.stop"));
    out.textContent = prompt.value;
    const asked = { prompt: prompt.value, tokens: TOKENS, seed: ++seed };
    try {
      await page.model.ask("sample", asked, { signal: stop.signal, onReport: (piece) => out.append(piece) });
    } catch (cause) {
      if (!stop.signal.aborted) page.announce(String((cause as Error).message));
    }
    stop = undefined;
    button.replaceChildren(page.words("train.write"));
  };
  page.model.opened.watch((opened) => {
    button.disabled = !opened;
    if (!opened) out.replaceChildren();
  });
  const send = (event: Event): void => {
    event.preventDefault();
    if (stop) stop.abort();
    else void write();
  };
  return element(
    "form",
    { class: "write", onsubmit: send },
    element("div", { class: "row" }, prompt, button),
    out,
  );
}
