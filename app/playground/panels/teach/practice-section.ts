/** The third section: the model practises what the judge likes, and its answers change. */
import { firstLesson } from "../../../teaching/lessons.ts";
import type { Progress } from "../../course/course-thread.ts";
import { element } from "../../page/element.ts";
import { beforeAfter, type Answers } from "./before-after.ts";
import { startOrStop, statusLine } from "./controls.ts";
import { scoreCurve } from "./score-curve.ts";
import type { Teaching } from "./teach.ts";

/** So many held-out questions have answers drawn to them, so many to each. */
const SHOWN = 4;
const DRAWN = 3;
/** From fewer choices the judge learns nothing of use. */
const LEAST_CHOICES = 10;

export function practiceSection({ page, call, taught, standing, practised }: Teaching): HTMLElement {
  const questions = firstLesson()
    .heldOut.slice(0, SHOWN)
    .map(({ question }) => question);
  const status = statusLine(page);
  const answers = beforeAfter(page, "teach.drawn");
  /** Of the model that has not practised. */
  let before: Answers | undefined;
  const drawn = async (): Promise<Answers> => {
    const all = await call("answers", { questions, count: DRAWN });
    return new Map(questions.map((question, i) => [question, all[i]!]));
  };
  let scores: [step: number, score: number][] = [];
  const curve = scoreCurve(page, () => scores);
  const hear = ({ event, steps }: Progress): void => {
    const reward = event.kind === "step" ? event.metrics?.["reward"] : undefined;
    if (reward === undefined) return;
    const { step } = event;
    scores.push([step, reward]);
    curve.draw();
    status.progress(step / steps, "teach.round", { step, steps, reward: reward.toFixed(2) });
  };
  const practise = async (signal: AbortSignal): Promise<void> => {
    scores = [];
    before ??= await drawn();
    answers.show(before, undefined);
    const { pupil, ...now } = await call("practise", undefined, { signal, onReport: hear });
    practised.set(pupil);
    standing.set(now);
    answers.show(before, await drawn());
    status.say("teach.practised");
  };
  const start = startOrStop(page, "teach.practiseBegin", status, practise, { disabled: true });
  const few = element("p", { class: "soft" }, page.words("teach.fewer", { count: LEAST_CHOICES }));
  taught.watch(() => {
    before = undefined;
    scores = [];
    curve.draw();
    answers.show(undefined, undefined);
  });
  standing.watch((now) => {
    const isReady = (now?.choices.length ?? 0) >= LEAST_CHOICES;
    few.hidden = isReady;
    start.querySelector("button")!.disabled = !isReady;
  });
  return element(
    "section",
    {},
    element("h2", {}, page.words("teach.practise")),
    element("p", {}, page.words("teach.practiseLead")),
    start,
    few,
    status.element,
    curve.element,
    answers.element,
  );
}
