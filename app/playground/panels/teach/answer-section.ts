/** The first section: pairs of questions and answers, and what the model makes of them. */
import { firstLesson } from "../../../teaching/lessons.ts";
import type { Progress } from "../../course/course-thread.ts";
import { element } from "../../page/element.ts";
import { beforeAfter } from "./before-after.ts";
import { startOrStop, statusLine } from "./controls.ts";
import { pairsTable } from "./pairs-table.ts";
import type { Teaching } from "./teach.ts";

export function answerSection({ page, call, taught, standing, practised }: Teaching): HTMLElement {
  const { pairs, heldOut } = firstLesson();
  const questions = heldOut.map(({ question }) => question);
  const status = statusLine(page);
  const table = pairsTable(page, pairs, status);
  const answers = beforeAfter(page, "teach.unseen");
  const teach = async (signal: AbortSignal): Promise<void> => {
    const [before, after] = [new Map<string, string[]>(), new Map<string, string[]>()];
    const hear = ({ event, steps }: Progress): void => {
      if (event.kind === "sample") (event.step === 0 ? before : after).set(event.prompt, [event.text]);
      if (event.kind === "sample") answers.show(before, after);
      if (event.kind === "step")
        status.progress(event.step / steps, "teach.step", {
          step: event.step,
          steps,
          loss: event.loss.toFixed(3),
        });
    };
    for (const value of [taught, standing, practised]) value.set(undefined);
    const { seed } = page.experiment.now;
    const asked = { pairs: table.pairs(), questions, seed };
    const { hash, dropped } = await call("teach", asked, { signal, onReport: hear });
    taught.set({ hash, seed });
    if (dropped > 0) status.say("teach.dropped", { count: dropped });
    else status.say("teach.done");
  };
  return element(
    "section",
    {},
    element("h2", {}, page.words("teach.answers")),
    element("p", {}, page.words("teach.answersLead")),
    table.element,
    startOrStop(page, "teach.begin", status, teach),
    status.element,
    answers.element,
  );
}
