/**
 * The thread in which a model is taught: a course has three models of one spec, which were compiled when the
 * page was built. The page ends the thread to give their memory back.
 */
import rl from "../../../specs/taught.sinter?stage=rl";
import reward from "../../../specs/taught.sinter?stage=reward";
import sft from "../../../specs/taught.sinter?stage=sft";
import { SinterError } from "../../../runtime/base/errors.ts";
import { browserHost, checkPage } from "../../../runtime/browser/host.ts";
import type { TrainEvent } from "../../../runtime/train/events.ts";
import type { Judged } from "../../../runtime/train/examples/feedback.ts";
import type { WinRate } from "../../../runtime/train/win-rate.ts";
import { openClassroom } from "../../teaching/classroom.ts";
import { Course } from "../../teaching/course.ts";
import type { QuestionAnswer } from "../../teaching/lessons.ts";
import type { PairToJudge } from "../../teaching/next-pair.ts";
import { serveCalls, type Call } from "../page/thread-call.ts";

export interface LessonAsked {
  readonly pairs: readonly QuestionAnswer[];
  /** Answered before and afterwards, as events. */
  readonly questions: readonly string[];
  readonly seed: number;
}

export interface Taught {
  /** Of the weights: whoever teaches the same has the same. */
  readonly hash: string;
  /** How many pairs were left out, for their length. */
  readonly dropped: number;
}

/** How far the choices have brought the judge. */
export interface Standing {
  readonly choices: readonly Judged[];
  /** So many of them the judge knows. */
  readonly known: number;
  /** How often it agrees with choices that it has not learnt from; absent: there is none. */
  readonly agreement?: WinRate;
  /** Of the judge's weights. */
  readonly hash: string;
}

let course: Course | undefined;

function opened(): Course {
  if (course) return course;
  throw new SinterError("input", "nothing has been taught yet", "Teach it to answer first.");
}

async function standing(): Promise<Standing> {
  const { choices, known } = opened();
  const agreement = known > 0 ? await opened().agreement() : undefined;
  const { judge } = await opened().hashes();
  return { choices: [...choices], known, hash: judge, ...(agreement && { agreement }) };
}

/** What has happened, of so many steps. */
export interface Progress {
  readonly event: TrainEvent;
  readonly steps: number;
}

const telling =
  (report: (progress: Progress) => void, steps: number) =>
  (event: TrainEvent): void =>
    report({ event, steps });

/** What waits for the models, in the order in which it was asked for. */
let last: Promise<unknown> = Promise.resolve();
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const done = last.then(work);
  last = done.catch(() => undefined);
  return done;
}

const calls = {
  /** Begins a course; the one before is forgotten. */
  teach: (asked: LessonAsked, { signal, report }: Call<Progress>): Promise<Taught> =>
    inTurn(async () => {
      checkPage();
      await course?.close();
      course = undefined;
      const bundles = { sft, reward, rl };
      const room = await openClassroom({ bundles, host: browserHost, seed: asked.seed });
      const following = { signal, report: telling(report, room.settings("sft").train.steps) };
      course = await Course.teach(room, asked.pairs, asked.questions, following);
      const { taught } = await course.hashes();
      return { hash: taught, dropped: course.dropped.reduce((sum, { rows }) => sum + rows.length, 0) };
    }),
  /** Undefined: the model always says the same. */
  nextPair: (_: void, { signal }: Call): Promise<PairToJudge | undefined> =>
    inTurn(() => opened().nextPair(signal)),
  choose: (choice: Judged): Promise<Standing> =>
    inTurn(async () => {
      await opened().choose(choice);
      return standing();
    }),
  takeBack: (): Promise<Standing> =>
    inTurn(async () => {
      opened().takeBack();
      return standing();
    }),
  /** These are the choices from now on. */
  takeOver: (choices: readonly Judged[], { signal }: Call): Promise<Standing> =>
    inTurn(async () => {
      await opened().takeOver(choices, { signal });
      return standing();
    }),
  /** The model learns from the judge. Returns the hash of its weights, and how things stand. */
  practise: (_: void, { signal, report }: Call<Progress>): Promise<Standing & { readonly pupil: string }> =>
    inTurn(async () => {
      const { steps } = opened().room.settings("rl").train;
      await opened().practise({ signal, report: telling(report, steps) });
      const { pupil } = await opened().hashes();
      return { ...(await standing()), pupil };
    }),
  /** Answers that are drawn now, `count` to each question. */
  answers: (asked: {
    readonly questions: readonly string[];
    readonly count: number;
  }): Promise<readonly (readonly string[])[]> =>
    inTurn(async () => {
      const all: (readonly string[])[] = [];
      for (const question of asked.questions)
        all.push(await opened().answers(question, asked.count, "shown"));
      return all;
    }),
};

export type CourseCalls = typeof calls;

serveCalls(calls);
