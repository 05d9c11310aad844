/**
 * The thread that answers what panels ask of a spec: the compiler up to the text of the kernels. The 15 MB
 * that make WebAssembly of it are elsewhere. Its questions stand in questions/, a file for each panel.
 */
import { serveCalls } from "../page/thread-call.ts";
import { costQuestions } from "./questions/cost.ts";
import { explainQuestions } from "./questions/explain.ts";
import { kernelQuestions } from "./questions/kernels.ts";
import { structureQuestions } from "./questions/structure.ts";

const questions = { ...costQuestions, ...explainQuestions, ...structureQuestions, ...kernelQuestions };

export type PanelQuestions = typeof questions;

serveCalls(questions);
