/**
 * THE table of examples: a spec, what it learns from, for how long, and what it was compiled to when the page
 * was built. Texts and bundles come in when they are needed.
 */
import type { LinkedBundle } from "../../../runtime/engine/linked-bundle.ts";
import characters from "../../../specs/nanogpt-cpu.sinter?raw";
import it from "../../../specs/it.sinter?raw";
import mixture from "../../../specs/mixture.sinter?raw";
import names from "../../../specs/names.sinter?raw";
import quickstart from "../../../specs/quickstart.sinter?raw";
import words from "../../../specs/words.sinter?raw";
import type { Experiment } from "../share/experiment.ts";
import type { TextKey } from "../texts/texts.ts";
import llama from "./llama-small.sinter?raw";

export interface Example {
  /** Never changes: links name it. */
  readonly id: string;
  readonly title: TextKey;
  readonly about: TextKey;
  readonly spec: string;
  /** What it learns from. */
  text(): Promise<string>;
  readonly steps: number;
  bundle(): Promise<LinkedBundle>;
  /** The tokenizer's files by name, where it has any. */
  tokenizer?(): Promise<ReadonlyMap<string, Uint8Array>>;
  /** What a text may begin with that it has learnt to go on with. */
  readonly prompt?: string;
}

const scenes = async (): Promise<string> =>
  (await import("../../../runtime/train/sources/builtin-text.ts")).builtinText();

const pronouns = async (): Promise<string> =>
  (await import("../../../runtime/train/sources/builtin-pronouns.ts")).pronounText();

/** A vocabulary of so many pieces, learnt from the example's own text. */
const learntFrom = (text: () => Promise<string>, vocab: number) => async () => {
  const { learnedBpe } = await import("../../../runtime/tokenizers/bpe/learn-bpe.ts");
  return new Map([["tokenizer.json", learnedBpe(await text(), vocab)]]);
};

export const examples: readonly Example[] = [
  {
    id: "quickstart",
    title: "gallery.quickstart",
    about: "gallery.quickstart.about",
    spec: quickstart,
    text: scenes,
    steps: 700,
    bundle: async () => (await import("../../../specs/quickstart.sinter?train")).default,
  },
  {
    id: "words",
    title: "gallery.words",
    about: "gallery.words.about",
    spec: words,
    text: scenes,
    steps: 500,
    bundle: async () => (await import("../../../specs/words.sinter?train")).default,
    tokenizer: learntFrom(scenes, 709),
    prompt: '"Today is Monday. What is tomorrow?" asks',
  },
  {
    id: "it",
    title: "gallery.it",
    about: "gallery.it.about",
    spec: it,
    text: pronouns,
    steps: 1500,
    bundle: async () => (await import("../../../specs/it.sinter?train")).default,
    tokenizer: learntFrom(pronouns, 525),
    prompt: "Because one of them was tired, the cat sat on the mat, and it",
  },
  {
    id: "characters",
    title: "gallery.characters",
    about: "gallery.characters.about",
    spec: characters,
    text: scenes,
    steps: 1000,
    bundle: async () => (await import("../../../specs/nanogpt-cpu.sinter?train")).default,
  },
  {
    id: "llama",
    title: "gallery.llama",
    about: "gallery.llama.about",
    spec: llama,
    text: scenes,
    steps: 600,
    bundle: async () => (await import("./llama-small.sinter?train")).default,
  },
  {
    id: "mixture",
    title: "gallery.mixture",
    about: "gallery.mixture.about",
    spec: mixture,
    text: scenes,
    steps: 600,
    bundle: async () => (await import("../../../specs/mixture.sinter?train")).default,
  },
  {
    id: "flowers",
    title: "gallery.flowers",
    about: "gallery.flowers.about",
    spec: names,
    text: async () => (await import("../../examples/vite/src/flowers.ts")).flowers.trim(),
    steps: 1000,
    bundle: async () => (await import("../../../specs/names.sinter?train")).default,
  },
];

/** The row of this id; undefined: there is none (a link may name one of another version). */
export const exampleOf = (id: string): Example | undefined => examples.find((example) => example.id === id);

/** What an example begins as. */
export const experimentOf = ({ id, steps }: Example): Experiment => ({
  example: id,
  data: { kind: "example", id },
  seed: 1,
  steps,
  moves: [],
});
