/** The tabs: each opens its panel, which is loaded and made when it is first shown, and stays. */
import { loadAllTexts } from "../texts/spoken.ts";
import { element } from "./element.ts";
import type { Page, Panel } from "./page.ts";
import type { PanelId } from "./panel-ids.ts";
import { panels, type PanelRow } from "./panels.ts";

interface Place {
  readonly tab: HTMLButtonElement;
  readonly body: HTMLElement;
  panel?: Panel;
}

export interface Tabs {
  show(id: PanelId): void;
}

const rows: readonly PanelRow[] = panels;

/** `list` has a button for each panel that has something to show (page-html.ts), `room` takes the panels. */
export function openTabs(page: Page, list: HTMLElement, room: HTMLElement): Tabs {
  const places = new Map<PanelId, Place>();
  let current: PanelId | undefined;
  const show = (id: PanelId): void => {
    const place = places.get(id);
    if (!place || id === current) return;
    for (const [other, { tab, body, panel }] of places) {
      const isIt = other === id;
      tab.setAttribute("aria-selected", String(isIt));
      tab.tabIndex = isIt ? 0 : -1;
      body.hidden = !isIt;
      if (other === current) panel?.hidden?.();
    }
    current = id;
    list.scrollLeft = place.tab.offsetLeft - (list.clientWidth - place.tab.offsetWidth) / 2;
    if (place.panel) place.panel.shown?.();
    else void open(id, place);
  };
  const open = async (id: PanelId, place: Place): Promise<void> => {
    const row = rows.find((each) => each.id === id)!;
    place.body.replaceChildren(element("p", { class: "opening" }, page.words("frame.opening")));
    try {
      const [openPanel] = await Promise.all([row.load!(), loadAllTexts()]);
      place.panel = await openPanel(page);
      place.body.replaceChildren(place.panel.element);
      if (current === id) place.panel.shown?.();
    } catch (error) {
      const again = element("button", { type: "button", onclick: () => void open(id, place) });
      again.append(page.words("frame.again"));
      const message = (error as Error).message;
      place.body.replaceChildren(
        element("p", { role: "alert" }, page.words("frame.failed", { error: message })),
        again,
      );
      console.error(error);
    }
  };
  for (const tab of list.querySelectorAll<HTMLButtonElement>("[role=tab]")) {
    const id = tab.dataset["panel"] as PanelId;
    const attributes = { role: "tabpanel", id: `panel-${id}`, "aria-labelledby": tab.id, hidden: true };
    const body = element("div", attributes);
    room.append(body);
    places.set(id, { tab, body });
    tab.setAttribute("aria-controls", body.id);
    tab.addEventListener("click", () => show(id));
  }
  list.addEventListener("keydown", (event) => {
    const next = neighbour([...places.keys()], current, event.key);
    if (next === undefined) return;
    event.preventDefault();
    show(next);
    places.get(next)!.tab.focus();
  });
  return { show };
}

/** Where the arrow keys, Home and End lead. */
function neighbour(ids: readonly PanelId[], from: PanelId | undefined, key: string): PanelId | undefined {
  const at = ids.indexOf(from!);
  switch (key) {
    case "ArrowRight":
      return ids[(at + 1) % ids.length];
    case "ArrowLeft":
      return ids.at(at - 1);
    case "Home":
      return ids[0];
    case "End":
      return ids.at(-1);
    default:
      return undefined;
  }
}
