/**
 * The thread that checks: the language service, and everything of the compiler up to the text of the kernels.
 * The 15 MB that make WebAssembly of it are elsewhere (compile/). A question is a file in questions/.
 */
import { serveCalls } from "../page/thread-call.ts";
import { editorQuestions } from "./questions/editor.ts";

const questions = { ...editorQuestions };

export type Questions = typeof questions;

serveCalls(questions);
