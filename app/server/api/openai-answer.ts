/**
 * Answers in OpenAI's form, whole or as a stream: what is around the choices. What a choice looks like is the
 * form's (completions.ts, chat.ts).
 */
import type { MadeToken, ServedFacts, TextMade } from "../pool/serving.ts";
import { now, type Call } from "./call.ts";
import { streamed } from "./event-stream.ts";
import { makeTexts, progressOf, timingsOf, usageOf, type Place, type TextsAsked } from "./texts.ts";

export interface ChoiceForm {
  /** What ids begin with. */
  readonly prefix: string;
  readonly object: string;
  /** The same for a chunk of a stream. */
  readonly chunk: string;
  whole(place: Place, made: TextMade): object;
  /** A stream's first choice of a text, before its first piece. Undefined: there is none. */
  opening(place: Place): object | undefined;
  /** `tokens`: those that have been added since the last piece. */
  piece(place: Place, text: string, tokens: readonly MadeToken[]): object;
  /** `rest`: tokens behind the last piece, which show nothing. */
  ending(place: Place, made: TextMade, rest: readonly MadeToken[]): object;
}

export interface AnswerRequest {
  readonly stream?: boolean | null | undefined;
  readonly stream_options?: { readonly include_usage?: boolean | null | undefined } | null | undefined;
  readonly return_progress?: boolean | null | undefined;
}

/** `prepare` is waited for before the first text. */
export async function answer(
  call: Call,
  facts: ServedFacts,
  asked: TextsAsked,
  request: AnswerRequest,
  form: ChoiceForm,
  prepare: () => Promise<void> = async () => {},
): Promise<Response> {
  const { prefix, object, chunk } = form;
  const envelope = (kind: string): object => ({
    id: `${prefix}${call.id}`,
    object: kind,
    created,
    model: facts.name,
    system_fingerprint: facts.fingerprint,
  });
  const created = now();
  if (request.stream) {
    const around = envelope(chunk);
    const work = async (send: (data: object) => void): Promise<void> => {
      await prepare();
      const made = await streamTexts(call, facts, asked, request, form, (more) =>
        send({ ...around, ...more }),
      );
      if (request.stream_options?.include_usage)
        send({ ...around, choices: [], usage: usageOf(made, asked.n) });
    };
    return streamed(call, work, "[DONE]");
  }
  await prepare();
  const choices: object[] = [];
  const made = await makeTexts(call, facts, asked, {
    onMade: (place, text) => void (choices[place.index] = form.whole(place, text)),
  });
  return Response.json({ ...envelope(object), choices, usage: usageOf(made, asked.n), ...timings(made) });
}

/** Several texts at once have no times of their own. */
const timings = (made: readonly TextMade[]): object =>
  made.length === 1 ? { timings: timingsOf(made[0]!) } : {};

function streamTexts(
  call: Call,
  facts: ServedFacts,
  asked: TextsAsked,
  request: AnswerRequest,
  form: ChoiceForm,
  send: (more: object) => void,
): Promise<readonly TextMade[]> {
  const opened = new Set<number>();
  const held = new Map<number, readonly MadeToken[]>();
  const open = (place: Place): void => {
    const opening = opened.has(place.index) ? undefined : form.opening(place);
    opened.add(place.index);
    if (opening) send({ choices: [opening] });
  };
  const isOne = asked.prompts.length * asked.n === 1;
  return makeTexts(call, facts, asked, {
    onText(place, piece, tokens) {
      const all = [...(held.get(place.index) ?? []), ...tokens];
      held.set(place.index, piece === "" ? all : []);
      if (piece === "") return;
      open(place);
      send({ choices: [form.piece(place, piece, all)] });
    },
    ...(request.return_progress && {
      onProgress: (_, progress) => send({ choices: [], prompt_progress: progressOf(progress) }),
    }),
    onMade(place, made) {
      open(place);
      const ending = form.ending(place, made, held.get(place.index) ?? []);
      send({ choices: [ending], ...(isOne && timings([made])) });
    },
  });
}
