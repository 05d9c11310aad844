/** The page's answers about its spec: one question at a time, and no answer that is out of date. */
import { expect, test, vi } from "vitest";
import { keepChecked, type CheckThread } from "../../../app/playground/check/checking.ts";
import { editorQuestions } from "../../../app/playground/check/questions/editor.ts";
import { valueOf } from "../../../app/playground/page/value.ts";
import { shippedSpec } from "../../support/paths.ts";

const tiny = shippedSpec("tiny");
const bytes = { bytes: 1, memories: 1, fits: true };

const failed = (error: unknown): void => expect.unreachable(String(error));

/** A thread that answers when it is told to. */
function slowThread() {
  const asked: { readonly name: string; readonly text: string; answer(): void }[] = [];
  const call = (name: string, text: string, { onReport }: { onReport?: (report: unknown) => void } = {}) => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const answer = (): void => {
      if (name === "bytes") onReport?.({ model: 0, bytes: { train: bytes, infer: bytes } });
      resolve(name === "analyse" ? editorQuestions.analyse(text) : undefined);
    };
    asked.push({ name, text, answer });
    return promise;
  };
  return { asked, thread: { call, end() {} } as unknown as CheckThread };
}

test("of texts that were typed meanwhile, the last one alone is asked about", async () => {
  const { asked, thread } = slowThread();
  const spec = valueOf({ text: tiny });
  const checked = keepChecked(thread, spec, failed);
  spec.set({ text: `${tiny}// a` });
  spec.set({ text: `${tiny}// ab` });
  expect(asked).toHaveLength(1);
  asked[0]!.answer();
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(asked[1]!.text).toBe(`${tiny}// ab`);
  asked[1]!.answer();
  await vi.waitFor(() => expect(checked.now?.text).toBe(`${tiny}// ab`));
});

test("a text without a model leaves the last ones on show, and bytes that are known stay", async () => {
  const { asked, thread } = slowThread();
  const spec = valueOf({ text: tiny });
  const checked = keepChecked(thread, spec, failed);
  asked[0]!.answer();
  await vi.waitFor(() => expect(asked[1]?.name).toBe("bytes"));
  asked[1]!.answer();
  expect(checked.now).toMatchObject({ isCurrent: true, models: [{ name: "tiny", bytes: { train: bytes } }] });
  spec.set({ text: "model tiny {" });
  asked[2]!.answer();
  await vi.waitFor(() => expect(checked.now?.isCurrent).toBe(false));
  expect(checked.now!.models).toMatchObject([{ name: "tiny", bytes: { train: bytes } }]);
  expect(checked.now!.diagnostics.length).toBeGreaterThan(0);
  spec.set({ text: tiny });
  asked.at(-1)!.answer();
  await vi.waitFor(() => expect(checked.now?.isCurrent).toBe(true));
  expect(asked.filter(({ name }) => name === "bytes")).toHaveLength(1);
});

test("a value tells its listeners of each change, and of nothing else", () => {
  const value = valueOf(1);
  const stop = new AbortController();
  const heard: number[] = [];
  value.watch((now) => heard.push(now), stop.signal);
  value.set(2);
  value.set(2);
  stop.abort();
  value.set(3);
  expect(heard).toEqual([1, 2]);
});
