/** The last section: the choices as a file, and the hashes that whoever repeats them finds again. */
import { feedbackLine, readChoices } from "../../../../runtime/train/examples/feedback.ts";
import { element } from "../../page/element.ts";
import { button, openFile, saveFile, statusLine } from "./controls.ts";
import type { Teaching } from "./teach.ts";

const COMMAND = "npm run study -- teach --replay choices.jsonl --practise";

export function logSection({ page, call, taught, standing, practised }: Teaching): HTMLElement {
  const status = statusLine(page);
  const save = (): void =>
    saveFile("choices.jsonl", (standing.now?.choices ?? []).map(feedbackLine).join(""));
  const open = async (bytes: Uint8Array, name: string): Promise<void> => {
    try {
      standing.set(await call("takeOver", readChoices(bytes, name)));
      practised.set(undefined);
      status.clear();
    } catch (cause) {
      status.failed(cause);
    }
  };
  const tools = element(
    "div",
    { class: "row" },
    button(page, "teach.save", save),
    openFile(page, "teach.open", (bytes, name) => void open(bytes, name), { "data-opens": "choices" }),
  );
  const title = element("h3", {}, page.words("teach.hashes"));
  const hashes = element("dl", { class: "teach-hashes" });
  const show = (): void => {
    const rows = [
      ["teach.hashTaught", "taught", taught.now?.hash],
      ["teach.hashJudge", "judge", standing.now?.hash],
      ["teach.hashPupil", "pupil", practised.now],
    ] as const;
    hashes.replaceChildren(
      ...rows.flatMap(([key, name, hash]) =>
        hash === undefined
          ? []
          : [
              element("dt", {}, page.words(key)),
              element("dd", { "data-hash": name }, element("code", {}, hash)),
            ],
      ),
    );
    title.hidden = taught.now === undefined;
    tools.querySelector("button")!.disabled = (standing.now?.choices.length ?? 0) === 0;
  };
  for (const value of [taught, standing, practised]) value.watch(show);
  return element(
    "section",
    {},
    element("h2", {}, page.words("teach.log")),
    element("p", {}, page.words("teach.logLead")),
    element("pre", { class: "scroll", tabindex: 0 }, COMMAND),
    element("p", { class: "soft" }, page.words("teach.pairsToo")),
    tools,
    status.element,
    title,
    hashes,
  );
}
