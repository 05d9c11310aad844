/**
 * A text that is drawn in sight: its tokens are those of the text that is written in one go with the same
 * seed; a slider that moves changes the token and not the random number; what ends a text ends it here too.
 */
import { expect, test } from "vitest";
import type { ModelHandle } from "../../../../../app/playground/model/model-handle.ts";
import type { OpenedModel } from "../../../../../app/playground/model/opened-run.ts";
import { nextTokenQuestions } from "../../../../../app/playground/model/questions/next-token.ts";
import { Drawer, type Drawing } from "../../../../../app/playground/panels/sampling/drawer.ts";
import { generate } from "../../../../../runtime/sample/generate.ts";
import { samplerDefaults } from "../../../../../runtime/sample/sampler.ts";
import { byteTokenizer } from "../../../../../runtime/tokenizers/plain/bytes.ts";
import { fakeModel } from "../../../../support/fake-model.ts";

const PROMPT = "\u0001\u0002";
/** Hot, so that more than one of the 16 tokens can come. */
const settings = { ...samplerDefaults, temperature: 4, topK: 12, topP: 0.98, minP: 0.01 };
const tokenizer = byteTokenizer();

/** A drawer whose questions are answered here, without a thread. */
function drawerOf(tokens = tokenizer): Drawer {
  const opened = { model: fakeModel(), tokenizer: tokens, step: 3, still: (work: () => unknown) => work() };
  const questions = nextTokenQuestions(() => opened as unknown as OpenedModel);
  const ask = async (
    name: "nextToken" | "vocabulary",
    argument: never,
    { signal }: { signal: AbortSignal },
  ) => structuredClone(await questions[name](argument, { signal } as never));
  const drawer = new Drawer({ ask } as unknown as ModelHandle);
  drawer.setSampler(settings);
  return drawer;
}
const drawing = (drawer: Drawer): Drawing => {
  const { now } = drawer.shown;
  if (now.kind !== "drawing") throw new Error(`it shows ${now.kind}`);
  return now;
};

test.each([1, 2, 3])("seed %i: the tokens are those of one go", async (seed) => {
  const drawer = drawerOf();
  await drawer.begin(PROMPT, seed);
  for (let n = 0; n < 5; n++) {
    await drawer.press();
    expect(drawing(drawer).isOpen).toBe(true);
    await drawer.press();
    expect(drawing(drawer).isOpen).toBe(false);
  }
  const asked = { ...settings, prompt: PROMPT, seed, tokens: 5 };
  const { tokens } = await generate(fakeModel(), tokenizer, asked);
  expect(drawing(drawer).growing.drawn).toEqual(tokens);
  expect(new Set(tokens).size).toBeGreaterThan(1);
});

test("many at once are the same, and end where the context is full", async () => {
  const drawer = drawerOf();
  await drawer.begin(PROMPT, 1);
  await drawer.appendMany(10);
  const { growing, draw, next } = drawing(drawer);
  const { tokens } = await generate(fakeModel(), tokenizer, {
    ...settings,
    prompt: PROMPT,
    seed: 1,
    tokens: 10,
    whenFull: "stop",
  });
  expect(growing.drawn).toEqual(tokens);
  expect([draw, next.logits, next.tokens.length]).toEqual([undefined, undefined, 9]); // its context is 8
});

test("a slider moves what the number falls into, and not the number", async () => {
  const drawer = drawerOf();
  await drawer.begin(PROMPT, 2);
  await drawer.press();
  const before = drawing(drawer);
  drawer.setSampler({ ...settings, temperature: 0.1 });
  const after = drawing(drawer);
  expect(after.isOpen).toBe(true);
  expect(after.draw!.u).toBe(before.draw!.u);
  expect(after.draw!.token).toBe(3); // the model counts
  drawer.setSampler({ ...settings, temperature: 0 });
  expect(drawing(drawer).draw!.u).toBeUndefined();
});

test("the token that ends texts ends it; another text begins anew", async () => {
  const drawer = drawerOf({ ...tokenizer, endOfText: 3, stops: new Set([3]) });
  drawer.setSampler({ ...settings, temperature: 0 });
  await drawer.begin(PROMPT, 1);
  await drawer.press();
  expect(drawing(drawer).growing.drawn).toEqual([3]);
  expect(drawing(drawer).draw).toBeUndefined();
  await drawer.press(); // nothing more can be appended
  expect(drawing(drawer).growing.drawn).toEqual([3]);
  await drawer.begin(PROMPT, 1);
  expect(drawing(drawer).growing.drawn).toEqual([]);
});

test("what fails is shown", async () => {
  const ask = (): Promise<never> => Promise.reject(new Error("no model is open"));
  const drawer = new Drawer({ ask } as unknown as ModelHandle);
  await drawer.begin("", 1);
  expect(drawer.shown.now).toMatchObject({ kind: "failed", cause: { message: "no model is open" } });
});
