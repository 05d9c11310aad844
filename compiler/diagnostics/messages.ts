/**
 * THE table of messages: every code that a spec can cause, its words, its help, and the long form for `sinter
 * explain CODE`.
 *
 *   E01xx  syntax          E03xx  equations and models     E05xx  command line
 *   E02xx  settings        E04xx  expectations             E06xx  stages after pre-training
 *   E07xx  plans
 *
 * With W in the place of E it is a warning.
 *
 * To add one, write a row here and a sample in test/compiler/diagnostics/samples/; UPDATE=1 writes the
 * expected rendering beside it.
 */
import { equations } from "./messages/equations.ts";
import { expectations } from "./messages/expectations.ts";
import { settings } from "./messages/settings.ts";
import { plans } from "./messages/plans.ts";
import { stages } from "./messages/stages.ts";
import { syntax } from "./messages/syntax.ts";
import type { Message } from "./messages/message.ts";

export const messages = { ...syntax, ...settings, ...equations, ...expectations, ...stages, ...plans };

export type Code = keyof typeof messages;
/** What a code's words are made from. */
export type Details<C extends Code> = (typeof messages)[C] extends Message<infer F> ? F : never;

export const codes = Object.keys(messages).sort((a, b) =>
  a.slice(1).localeCompare(b.slice(1)),
) as readonly Code[];
export const isCode = (text: string): text is Code => Object.hasOwn(messages, text);
