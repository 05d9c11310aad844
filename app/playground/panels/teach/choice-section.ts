/** The second section: which of two answers is better, and how far that has brought the judge. */
import type { Choice, Judged } from "../../../../runtime/train/examples/feedback.ts";
import { modelName } from "../../../teaching/course.ts";
import type { PairToJudge } from "../../../teaching/next-pair.ts";
import type { Standing } from "../../course/course-thread.ts";
import { element } from "../../page/element.ts";
import { statusLine } from "./controls.ts";
import { pairView, type PairAction } from "./pair-view.ts";
import { standingFigures } from "./standing-figures.ts";
import type { TaughtModel, Teaching } from "./teach.ts";

/** Milliseconds before a word is said about waiting. */
const PATIENCE_MS = 400;

export function choiceSection({ page, call, taught, standing }: Teaching): HTMLElement {
  const status = statusLine(page);
  const view = pairView(page, (action) => act(action));
  let shown: { readonly pair: PairToJudge; readonly at: number } | undefined;
  /** Counts what was begun: what comes later from before is dropped. */
  let round = 0;

  const show = (pair: PairToJudge | undefined): void => {
    shown = pair && { pair, at: performance.now() };
    view.show(pair);
  };
  const next = async (before?: () => Promise<Standing>): Promise<void> => {
    const now = ++round;
    show(undefined);
    const waiting = setTimeout(() => status.progress(0, "teach.drawing", {}), PATIENCE_MS);
    try {
      if (before) standing.set(await before());
      const pair = await call("nextPair", undefined);
      if (now !== round) return;
      show(pair);
      clearTimeout(waiting);
      if (pair) status.clear();
      else status.say("teach.same");
    } catch (cause) {
      if (now === round) status.failed(cause);
    } finally {
      clearTimeout(waiting);
    }
  };
  const act = (action: PairAction): void => {
    if (action === "undo") return void next(() => call("takeBack", undefined));
    if (!shown) return;
    const choice = judgedOf(shown.pair, action, Math.round(performance.now() - shown.at), taught.now!);
    void next(() => call("choose", choice));
  };
  const first = element("p", { class: "soft" }, page.words("teach.first"));
  taught.watch((now) => {
    round++;
    show(undefined);
    status.clear();
    view.element.hidden = !now;
    first.hidden = now !== undefined;
    if (now) void next().then(view.focus);
  });
  return element(
    "section",
    {},
    element("h2", {}, page.words("teach.choose")),
    element("p", {}, page.words("teach.chooseLead")),
    first,
    view.element,
    status.element,
    standingFigures(page, standing),
  );
}

const judgedOf = (
  { question, answers }: PairToJudge,
  choice: Choice,
  ms: number,
  { hash, seed }: TaughtModel,
): Judged => ({
  prompt: [{ role: "user", content: question }],
  answers,
  choice,
  model: modelName(hash),
  seed,
  time: new Date().toISOString(),
  ms,
});
