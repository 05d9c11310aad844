/**
 * The link in the address bar, the button that copies it, and what becomes of a link that was opened: the
 * page shows its experiment, and says at the end whether the promised loss came true.
 */
import { element } from "../page/element.ts";
import type { Page } from "../page/page.ts";
import { fragmentOf, MOST_SPEC_BYTES, MOST_TEXT_BYTES, readFragment, type Pinned } from "./link.ts";
import { pinnedOf, verdictOn } from "./promise.ts";
import "../styles/share.css";

/** How long the address bar waits for more changes. */
const SETTLE_MS = 500;
const COPIED_MS = 2500;

export interface Sharing {
  /** Copies the link of what is on the page. */
  share(): Promise<void>;
}

/** The page may have been changed before, and the address may hold a link. */
export async function openSharing(page: Page, button: HTMLButtonElement): Promise<Sharing> {
  let promised: Pinned | undefined;
  const notice = openNotice(page);
  const now = (): Pinned => {
    const { spec, experiment, model } = page;
    return pinnedOf({
      spec: spec.now,
      experiment: experiment.now,
      opened: model.opened.now,
      events: model.events.now,
    });
  };
  /** While nothing was changed, the address goes on promising what it did. */
  const pinned = (): Pinned => {
    const own = now();
    return promised && own.loss === undefined && verdictOn(promised, own) !== "changed" ? promised : own;
  };
  const read = async (): Promise<void> => {
    const link = await readFragment(location.hash);
    promised = link.kind === "pinned" ? link.pinned : undefined;
    if (link.kind === "damaged" || link.kind === "newer") {
      console.warn(link.why);
      notice.show(page.words(link.kind === "damaged" ? "share.damaged" : "share.newer"));
    }
    if (!promised) return;
    page.model.close();
    page.experiment.set(promised.experiment);
    page.spec.set({ text: promised.spec, model: promised.model });
    notice.show(...openedWords(page, promised, notice));
  };
  const judge = (): void => {
    if (!promised || page.model.state.now !== "done") return;
    const verdict = verdictOn(promised, now());
    if (verdict !== "waiting") notice.show(...verdictWords(page, verdict, promised, now()));
  };

  addEventListener("hashchange", () => void read());
  await read();
  keepAddress(page, pinned);
  page.model.state.watch(judge);
  return {
    async share() {
      const fragment = await fragmentOf(pinned());
      if (fragment === undefined) {
        const most = { text: MOST_TEXT_BYTES, spec: MOST_SPEC_BYTES };
        return notice.show(page.words("share.tooLong", most));
      }
      history.replaceState(null, "", fragment);
      await copy(page, button, notice);
    },
  };
}

/** Writes what is on the page into the address bar, a moment after each change. */
function keepAddress(page: Page, pinned: () => Pinned): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const write = async (): Promise<void> => {
    const fragment = await fragmentOf(pinned());
    history.replaceState(null, "", fragment ?? location.pathname + location.search);
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => void write(), SETTLE_MS);
  };
  for (const value of [page.spec, page.experiment, page.model.state]) value.watch(later);
}

async function copy(page: Page, button: HTMLButtonElement, notice: Notice): Promise<void> {
  try {
    await navigator.clipboard.writeText(location.href);
  } catch {
    return notice.show(page.words("share.notCopied"));
  }
  button.textContent = page.text("share.copied");
  page.announce(page.text("share.copied"));
  setTimeout(() => (button.textContent = page.text("share.button")), COPIED_MS);
}

interface Notice {
  hide(): void;
  show(...children: readonly (HTMLElement | undefined)[]): void;
}

/** A card at the foot of the window, which moves nothing else. */
function openNotice(page: Page): Notice {
  const said = element("div", { role: "status" });
  const hide = (): void => {
    card.hidden = true;
  };
  const close = element("button", { type: "button", onclick: hide });
  close.append(page.words("share.close"));
  const card = element("aside", { class: "card notice", hidden: true }, said, close);
  document.body.append(card);
  return {
    hide,
    show(...children) {
      card.hidden = false;
      said.replaceChildren(...children.filter((child) => child !== undefined));
    },
  };
}

const paragraph = (...children: readonly HTMLElement[]): HTMLElement => element("p", {}, ...children);

function openedWords(page: Page, { experiment, loss }: Pinned, notice: Notice): HTMLElement[] {
  const { steps, seed } = experiment;
  const train = (): void => {
    page.show("train");
    notice.hide();
  };
  const go = element("button", { type: "button", class: "main", onclick: train });
  go.append(page.words("tab.train"));
  const opened = page.words(loss === undefined ? "share.openedPlain" : "share.opened", { steps, seed });
  return [
    paragraph(opened),
    ...(loss === undefined ? [] : [paragraph(page.words("share.promised", { loss }))]),
    go,
  ];
}

function verdictWords(
  page: Page,
  verdict: "kept" | "broken" | "changed",
  promised: Pinned,
  now: Pinned,
): HTMLElement[] {
  const isOther = verdict === "broken" && promised.version !== now.version;
  const values = { loss: now.loss ?? "", promised: promised.loss ?? "" };
  const said = paragraph(page.words(`share.${verdict}`, values));
  said.className = verdict;
  const why = { made: promised.version, here: now.version };
  return isOther ? [said, paragraph(page.words("share.otherVersion", why))] : [said];
}
