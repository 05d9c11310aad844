/**
 * Keeps `checked` up with `spec`: each text is sent to the thread when the one before has been answered, so
 * that there is never more than one waiting, and what was overtaken is not asked at all.
 */
import { callThread, type Thread } from "../page/thread-call.ts";
import { valueOf, type Value } from "../page/value.ts";
import type { Analysed, Checked, ModelFacts } from "./checked.ts";
import type { EditorQuestions } from "./check-thread.ts";
import type { PanelQuestions } from "./panels-thread.ts";

/** Two threads that look like one: the editor's is small and runs from the start, the other one on need. */
export type CheckThread = Thread<EditorQuestions & PanelQuestions>;

const ofEditor: Readonly<Record<string, true>> = {
  analyse: true,
  bytes: true,
  hover: true,
  complete: true,
  definition: true,
  places: true,
  renameRange: true,
  rename: true,
  format: true,
  actions: true,
} satisfies Record<keyof EditorQuestions, true>;

export function startCheckThread(): CheckThread {
  const editor = callThread<EditorQuestions>(
    new Worker(new URL("./check-thread.ts", import.meta.url), { type: "module", name: "check" }),
  );
  let panels: Thread<PanelQuestions> | undefined;
  const ofPanels = (): Thread<PanelQuestions> =>
    (panels ??= callThread<PanelQuestions>(
      new Worker(new URL("./panels-thread.ts", import.meta.url), { type: "module", name: "panels" }),
    ));
  return {
    call: (name, ...rest) => {
      const thread = ofEditor[name] ? editor : ofPanels();
      return (thread as unknown as CheckThread).call(name, ...rest);
    },
    end() {
      editor.end();
      panels?.end();
    },
  };
}

/** `spec` is a page's. Errors go to `failed`: they are bugs, a wrong spec is no error. */
export function keepChecked(
  thread: CheckThread,
  spec: Value<{ readonly text: string }>,
  failed: (error: unknown) => void,
): Value<Checked | undefined> {
  const checked = valueOf<Checked | undefined>(undefined);
  let isAsking = false;
  let bytes = new AbortController();
  const ask = async (): Promise<void> => {
    if (isAsking) return;
    isAsking = true;
    try {
      while (checked.now?.text !== spec.now.text) {
        const analysed = await thread.call("analyse", spec.now.text);
        bytes.abort();
        checked.set(withModels(analysed, checked.now));
      }
      bytes = new AbortController();
      followBytes(thread, checked, bytes.signal).catch((error: unknown) => {
        if ((error as Error).name !== "AbortError") failed(error);
      });
    } catch (error) {
      failed(error);
    } finally {
      isAsking = false;
    }
  };
  spec.watch(({ text }) => {
    if (checked.now?.text !== text) void ask();
  });
  return checked;
}

/** The last models stay on show while a text has none; what is known of a model's bytes stays known. */
function withModels(analysed: Analysed, before: Checked | undefined): Checked {
  if (analysed.models.length === 0 && before && before.models.length > 0)
    return { ...analysed, models: before.models, isCurrent: false };
  const known = new Map(before?.models.map(({ model, bytes }) => [JSON.stringify(model), bytes]));
  const models = analysed.models.map((facts): ModelFacts => ({
    ...facts,
    bytes: known.get(JSON.stringify(facts.model)),
  }));
  return { ...analysed, models, isCurrent: true };
}

/** Asks for the bytes of the models, unless all are known. */
async function followBytes(
  thread: CheckThread,
  checked: Value<Checked | undefined>,
  signal: AbortSignal,
): Promise<void> {
  const asked = checked.now;
  if (!asked?.isCurrent || asked.models.every(({ bytes }) => bytes !== undefined)) return;
  await thread.call("bytes", asked.text, {
    signal,
    onReport({ model: i, bytes }) {
      const { now } = checked;
      if (signal.aborted || now?.text !== asked.text) return;
      checked.set({ ...now, models: now.models.map((facts, j) => (i === j ? { ...facts, bytes } : facts)) });
    },
  });
}
