/** Links: what is pinned comes back; whatever else stands in an address has an answer, never an exception. */
import { deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseExperiment, type Experiment } from "../../../../app/playground/share/experiment.ts";
import {
  fragmentOf,
  MOST_TEXT_BYTES,
  readFragment,
  type Pinned,
} from "../../../../app/playground/share/link.ts";

const experiment: Experiment = {
  example: "names",
  data: { kind: "own", name: "poem.txt", text: 'Zeeën, 猫, 🐈‍⬛ and "quotes"\n'.repeat(20) },
  seed: 4294967295,
  steps: 300,
  moves: [
    { step: 0, setting: "lr", to: 0.001 },
    { step: 120, setting: "lr", to: 0.00025 },
  ],
};
const pinned: Pinned = {
  spec: "model tiny {\n  context 32   width 64\n}\n",
  model: "tiny",
  experiment,
  target: "simd",
  version: "0.1.0",
  loss: "2.3541123867034912",
};
const packed = (value: unknown): string =>
  `#v1.${deflateRawSync(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")}`;

test("a link pins an experiment", async () => {
  const fragment = await fragmentOf(pinned);
  expect(fragment).toMatch(/^#v1\.[\w-]+$/);
  expect(await readFragment(fragment!)).toEqual({ kind: "pinned", pinned });
  const { model: _model, loss: _loss, ...least } = pinned;
  expect(await readFragment((await fragmentOf(least))!)).toEqual({ kind: "pinned", pinned: least });
});

test("links of the first release stay readable", async () => {
  const kept =
    "#v1.PcpBasMwEEbhq4R_PZiRnaTtXCV0IaIhiFqS8QwhxejuwVl4-963wRa9Q1Ba0vnkuf6ftg6CvhZdc9HqkA36imWZFYIaixoIK" +
    "Xrcz1-uCXIAQk6H6gRTTZBAMNfFIBMzobSnGuS2fSokjLxL91wfEMwrCN4gPDDzeOm_neBxfahDYLkkEJ66Wm4VAh7CwCDMzQyCcZ" +
    "gu5xDG6fv6xdP5J6C_AQ";
  expect(await readFragment(kept)).toEqual({
    kind: "pinned",
    pinned: {
      spec: "model tiny {}",
      experiment: {
        example: "names",
        data: { kind: "example", id: "names" },
        seed: 1,
        steps: 300,
        moves: [{ step: 120, setting: "lr", to: 0.00025 }],
      },
      target: "simd",
      version: "0.1.0",
      loss: "2.354112386703491",
    },
  });
});

test("what is too long for a link has none", async () => {
  const own = (text: string): Pinned => ({
    ...pinned,
    experiment: { ...experiment, data: { kind: "own", name: "", text } },
  });
  expect(await fragmentOf(own("a".repeat(MOST_TEXT_BYTES)))).toBeDefined();
  expect(await fragmentOf(own("é".repeat(MOST_TEXT_BYTES / 2) + "a"))).toBeUndefined();
  expect(await fragmentOf({ ...pinned, spec: "a".repeat(16_385) })).toBeUndefined();
  expect((await readFragment(packed(own("a".repeat(MOST_TEXT_BYTES + 1))))).kind).toBe("damaged");
});

test("an address without a link has none, one of a later form is told apart", async () => {
  for (const fragment of ["", "#", "#train", "#v", "#v1", "v1.abc"])
    expect(await readFragment(fragment)).toEqual({ kind: "none" });
  expect((await readFragment("#v2.abc")).kind).toBe("newer");
});

const { loss: _, ...withoutLoss } = pinned;
const hostile: readonly (readonly [what: string, fragment: string, why: RegExp])[] = [
  ["nothing", "#v1.", /./],
  ["no base64", "#v1.ab!cd", /./],
  ["cut off", packed(pinned).slice(0, -40), /./],
  ["gzip", `#v1.${gzipSync(JSON.stringify(pinned)).toString("base64url")}`, /./],
  ["a bomb", packed(" ".repeat(20_000_000)), /more than 131072 bytes/],
  ["a long address", `#v1.${"A".repeat(70_000)}`, /70004 characters/],
  ["no JSON", packed("{"), /JSON/],
  ["deep JSON", packed("[".repeat(100_000)), /./],
  ["a list", packed([pinned]), /object/],
  ["a strange field", packed({ ...pinned, evil: 1 }), /evil is not known/],
  ["a prototype", packed(`{"__proto__": {}, ${JSON.stringify(pinned).slice(1)}`), /__proto__ is not known/],
  ["another target", packed({ ...pinned, target: "relaxed" }), /target/],
  ["a name with a path", packed({ ...pinned, experiment: { ...experiment, example: "../x" } }), /an id/],
  [
    "an address as data",
    packed({ ...pinned, experiment: { ...experiment, data: { kind: "example", id: "https://x" } } }),
    /an id/,
  ],
  ["a seed that is none", packed({ ...pinned, experiment: { ...experiment, seed: 0.5 } }), /seed is 0.5/],
  ["steps without end", packed({ ...pinned, experiment: { ...experiment, steps: 1e12 } }), /steps/],
  [
    "a negative rate",
    packed({ ...pinned, experiment: { ...experiment, moves: [{ step: 0, setting: "lr", to: -1 }] } }),
    /to is -1/,
  ],
  [
    "moves out of order",
    packed({ ...pinned, experiment: { ...experiment, moves: [...experiment.moves].reverse() } }),
    /moves\[1\] comes before/,
  ],
  [
    "too many moves",
    packed({
      ...pinned,
      experiment: {
        ...experiment,
        moves: Array.from({ length: 2001 }, () => ({ step: 0, setting: "lr", to: 1 })),
      },
    }),
    /more than 2000/,
  ],
  ["a loss in words", packed({ ...withoutLoss, loss: "<b>2</b>" }), /loss/],
];

test.each(hostile)("%s is refused", async (_what, fragment, why) => {
  const link = await readFragment(fragment);
  expect(link).toEqual({ kind: "damaged", why: expect.stringMatching(why) });
});

test("whatever is changed in a link, the answer is a link", async () => {
  const fragment = (await fragmentOf(pinned))!;
  const changed = fc
    .tuple(fc.nat(fragment.length - 1), fc.string({ maxLength: 3 }))
    .map(([at, text]) => fragment.slice(0, at) + text + fragment.slice(at + 1));
  await fc.assert(
    fc.asyncProperty(changed, async (text) => {
      expect(["none", "newer", "damaged", "pinned"]).toContain((await readFragment(text)).kind);
    }),
    { numRuns: 200 },
  );
});

test("an experiment is read back from JSON, or it is none", () => {
  expect(parseExperiment(JSON.stringify(experiment))).toEqual(experiment);
  for (const text of ["", "null", "[]", "{}", JSON.stringify({ ...experiment, seed: -1 })])
    expect(parseExperiment(text)).toBeUndefined();
});
