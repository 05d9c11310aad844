/**
 * Teaching: answers, then a person's taste, then practice. The models are those of a course, in a thread of
 * its own. The sections meet in the values of `Teaching`.
 */
import type { CourseCalls, Standing } from "../../course/course-thread.ts";
import { element } from "../../page/element.ts";
import type { OpenPanel, Page } from "../../page/page.ts";
import { callThread, type Thread } from "../../page/thread-call.ts";
import { valueOf, type Value } from "../../page/value.ts";
import { answerSection } from "./answer-section.ts";
import { choiceSection } from "./choice-section.ts";
import { logSection } from "./log-section.ts";
import { practiceSection } from "./practice-section.ts";
import "../../styles/teach.css";

/** Which weights give the answers. */
export interface TaughtModel {
  readonly hash: string;
  readonly seed: number;
}

export interface Teaching {
  readonly page: Page;
  readonly call: Thread<CourseCalls>["call"];
  /** Undefined: it has not learnt answers, or is learning others. */
  readonly taught: Value<TaughtModel | undefined>;
  /** How far the choices have brought the judge. */
  readonly standing: Value<Standing | undefined>;
  /** Of the model that has practised. */
  readonly practised: Value<string | undefined>;
}

/** It starts with the first lesson. */
const startThread = (): Thread<CourseCalls> =>
  callThread<CourseCalls>(
    new Worker(new URL("../../course/course-thread.ts", import.meta.url), { type: "module", name: "course" }),
  );

export const openTeach: OpenPanel = (page) => {
  let thread: Thread<CourseCalls> | undefined;
  const teaching: Teaching = {
    page,
    call: (name, argument, options) => (thread ??= startThread()).call(name, argument, options),
    taught: valueOf<TaughtModel | undefined>(undefined),
    standing: valueOf<Standing | undefined>(undefined),
    practised: valueOf<string | undefined>(undefined),
  };
  const sections = [answerSection, choiceSection, practiceSection, logSection];
  const lead = element("p", { class: "soft" }, page.words("teach.lead"));
  return {
    element: element("div", { class: "teach" }, lead, ...sections.map((section) => section(teaching))),
  };
};
