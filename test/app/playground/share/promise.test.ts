/** What is pinned of a page, and whether a promise is kept. */
import { expect, test } from "vitest";
import type { Opened } from "../../../../app/playground/model/model-calls.ts";
import type { Experiment } from "../../../../app/playground/share/experiment.ts";
import { pinnedOf, verdictOn, type Held } from "../../../../app/playground/share/promise.ts";
import type { StepEvent } from "../../../../runtime/train/events.ts";

const experiment: Experiment = {
  example: "names",
  data: { kind: "example", id: "names" },
  seed: 1,
  steps: 300,
  moves: [],
};
const stepped = (step: number, loss: number): StepEvent => ({
  kind: "step",
  step,
  loss,
  lr: 1e-3,
  norm: 1,
  ms: 1,
  tokens: 1,
  tokensPerSecond: 1,
});
const opened = { target: "simd", source: "model a {}", experiment: JSON.stringify(experiment) } as Opened;
const held: Held = {
  spec: { text: "model a {}", model: undefined },
  experiment,
  opened,
  events: [stepped(299, 2.5), stepped(300, 2.354112386703491)],
};

test("the final loss is pinned to its last digit", () => {
  expect(pinnedOf(held)).toMatchObject({ spec: "model a {}", experiment, target: "simd" });
  expect(pinnedOf(held).loss).toBe("2.354112386703491");
  const moved = { ...experiment, moves: [{ step: 3, setting: "lr", to: 0.1 }] } as const;
  expect(pinnedOf({ ...held, experiment: moved }).loss).toBe("2.354112386703491");
});

test.each<readonly [string, Partial<Held>]>([
  ["nothing is open", { opened: undefined }],
  ["the last step is not made", { events: [stepped(299, 2.5)] }],
  ["the spec was changed since", { spec: { text: "model b {}", model: undefined } }],
  ["the seed was changed since", { experiment: { ...experiment, seed: 2 } }],
  [
    "the text was changed since",
    { experiment: { ...experiment, data: { kind: "own", name: "", text: "a" } } },
  ],
  ["the target rounds as machines do", { opened: { ...opened, target: "relaxed" } }],
  [
    "it began with weights of others",
    { opened: { ...opened, experiment: JSON.stringify({ ...experiment, brought: "model.gguf" }) } },
  ],
  ["what is open has no description", { opened: { ...opened, experiment: "" } }],
])("no loss is promised where %s", (_, change) => {
  expect(pinnedOf({ ...held, ...change })).not.toHaveProperty("loss");
});

test("a promise is kept, broken, or was about something else", () => {
  const promised = pinnedOf(held);
  const other = (change: Partial<Held>) => verdictOn(promised, pinnedOf({ ...held, ...change }));
  expect(other({})).toBe("kept");
  expect(other({ events: [stepped(300, 2.354112386703492)] })).toBe("broken");
  expect(other({ events: [] })).toBe("waiting");
  expect(other({ spec: { text: "model a {} ", model: undefined } })).toBe("changed");
  expect(other({ spec: { ...held.spec, model: "a" } })).toBe("kept");
  expect(other({ experiment: { ...experiment, moves: [{ step: 3, setting: "lr", to: 0.1 }] } })).toBe(
    "changed",
  );
});
