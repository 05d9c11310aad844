/**
 * THE list of what panels ask of the open model beside training. A panel's questions stand in a file of their
 * own in questions/, whose function is given the model that is open at the time, and is a row here.
 */
import type { OpenedModel } from "./opened-run.ts";
import { insideQuestions } from "./questions/inside.ts";
import { nextTokenQuestions } from "./questions/next-token.ts";
import { sampleQuestions } from "./questions/sample.ts";

/** `opened` throws `input` where no model is open. */
export const modelQuestions = (opened: () => OpenedModel) => ({
  ...sampleQuestions(opened),
  ...insideQuestions(opened),
  ...nextTokenQuestions(opened),
});

export type ModelQuestions = ReturnType<typeof modelQuestions>;
