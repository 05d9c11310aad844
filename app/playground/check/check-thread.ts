/**
 * The thread that checks while one types: the language service, and the compiler up to the plan of memory. It
 * is all that the editor waits for, so operations come without their emitters (lean-compiler.ts), and
 * whatever else is asked of a spec is asked of the other thread (panels-thread.ts).
 */
import { serveCalls } from "../page/thread-call.ts";
import { editorQuestions } from "./questions/editor.ts";

export type EditorQuestions = typeof editorQuestions;

serveCalls(editorQuestions);
