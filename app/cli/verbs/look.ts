/** `sinter look RUN -p TEXT`: what goes on inside a model, for people, for programs, or as a page. */
import { SinterError, exitCodes } from "../../../runtime/base/errors.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import { headMap, withoutHeads } from "../../../runtime/look/heads.ts";
import type { HeadPlace } from "../../../runtime/look/inside.ts";
import { answersOf, excitingTokens, type NeuronPlace } from "../../../runtime/look/neurons.ts";
import {
  lookAtText,
  neighboursOf,
  writtenBy,
  type Looked,
  type TextInside,
} from "../../../runtime/look/text-inside.ts";
import { shownToken } from "../../../runtime/look/token-text.ts";
import { shareText } from "../../../runtime/report/distribution.ts";
import { fitted } from "../../../runtime/report/text-width.ts";
import { insidePage } from "../../../runtime/report/inside-page.ts";
import {
  headText,
  lensLines,
  likelyLines,
  mapLines,
  summaryLines,
  tokenLines,
} from "../../../runtime/report/inside-text.ts";
import { flag, read, text, whole, withDefault, type Options } from "../options/option.ts";
import { runOptions } from "../options/run-options.ts";
import { writeOutput } from "../terminal/files.ts";
import { readText } from "../terminal/input.ts";
import { pathFrom, sayer, type Io, type Say } from "../terminal/io.ts";
import { withModelToLook } from "../runs/look-run.ts";
import { untilInterrupted, type UsedRun } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";

const options = {
  prompt: withDefault("", text("<text>", "the text to look at", { short: "p" })),
  layer: whole(
    "<n>",
    "the layer whose head is shown, from 0 (default: that of the head that looks farthest)",
    {
      least: 0,
    },
  ),
  head: whole("<n>", "the head that is shown, from 0", { least: 0 }),
  without: read(
    text("<layer:head,…>", "heads that are switched off: what becomes of the next token"),
    (given) =>
      given.split(",").map((one): HeadPlace => {
        const [layer, head] = pairOf(one, "--without");
        return { layer, head };
      }),
  ),
  neighbours: text("<token>", "the tokens whose embeddings are nearest to this one's; id:464 for a number"),
  neuron: read(
    text("<layer:neuron>", "what a neuron of the feed-forward layers answers to, and what it writes"),
    (given): NeuronPlace => {
      const [layer, neuron] = pairOf(given, "--neuron");
      return { layer, neuron };
    },
  ),
  over: text("<file>", "with --neuron: a text in which the tokens are looked for that excite it most"),
  ...runOptions,
  json: flag("machine-readable, with all weights"),
  out: text("<file>", "a page of it, which needs nothing else", { short: "o" }),
};
type Asked = Options<typeof options>;

/** Bytes of a text that is searched; 128 tokens of it are looked at in a moment. */
const MOST_TEXT = 1 << 20;

function pairOf(given: string, name: string): readonly [number, number] {
  const [, first, second] = /^\s*(\d+):(\d+)\s*$/.exec(given) ?? [];
  if (first === undefined)
    throw new SinterError("usage", `${name} takes two numbers from 0 with a colon, as 1:3, not \`${given}\``);
  return [Number(first), Number(second)];
}

export const lookVerb = defineVerb({
  name: "look",
  summary: "what a model does with a text inside: attention, layers, neurons",
  arguments: [
    { name: "<path>", help: "folder of a run, or a published model: .gguf, .safetensors, .bin, folder" },
  ],
  options,
  notes: [
    "Attention: a row shows what its token looks at, the darker the more.",
    "Layers: what the output would say if the model ended there (logit lens).",
  ],
  examples: [
    'sinter look runs/shakespeare -p "The cat sat"',
    'sinter look runs/shakespeare -p "The cat sat" --layer 1 --head 2 -o look.html',
    'sinter look model.gguf -p "Once upon a time" --json',
    'sinter look runs/shakespeare -p "The cat sat" --without 1:2,1:3',
    "sinter look runs/shakespeare --neighbours e --neuron 2:17 --over shakespeare.txt",
  ],
  async run([path], asked, io) {
    if (asked.over !== undefined && !asked.neuron)
      throw new SinterError("usage", "--over goes with --neuron");
    const over = asked.over === undefined ? undefined : readText(asked.over, io, MOST_TEXT);
    const interrupted = untilInterrupted();
    const { signal } = interrupted;
    try {
      await withModelToLook(path!, asked, io, async (used) => {
        const looked = await lookAtText(used.model, used.run.tokenizer, asked.prompt, { signal });
        const more = await askMore(used, looked, asked, over, signal);
        const head = headAsked(looked.shown, asked);
        if (asked.json) io.out(`${JSON.stringify(asJson(used, looked.shown, more), null, 1)}\n`);
        else print(used, looked, head, more, io);
        if (asked.out === undefined) return;
        const file = pathFrom(io, asked.out);
        writeOutput(file, pageOf(used, looked.shown, head));
        sayer(io, true)(`${file} has the page`);
      });
      return exitCodes.ok;
    } finally {
      interrupted.done();
    }
  },
});

/** The head that is asked for, else the one that looks farthest back. Undefined: the model has none. */
function headAsked({ summaries, layers, heads }: TextInside, { layer, head }: Asked): HeadPlace | undefined {
  const most = (count: number, what: string, given: number | undefined): void => {
    if (given !== undefined && given >= count)
      throw new SinterError("usage", `--${what} ${given}: the model has ${counted(count, what)}, from 0`);
  };
  most(layers, "layer", layer);
  most(heads, "head", head);
  return summaries
    .filter((s) => (layer === undefined || s.layer === layer) && (head === undefined || s.head === head))
    .toSorted((a, b) => b.other - a.other || b.distance - a.distance)[0];
}

/** What is told only where it is asked for. */
async function askMore(
  { model, run: { tokenizer } }: UsedRun,
  { inside }: Looked,
  { neighbours, neuron, without }: Asked,
  over: string | undefined,
  signal: AbortSignal,
) {
  const near = neighbours === undefined ? undefined : tokenNamed(neighbours, tokenizer);
  const effect = without && (await withoutHeads(model, inside, without, { count: 8, signal }));
  const ids = over === undefined ? undefined : tokenizer.encode(over);
  return {
    ...(near !== undefined && {
      neighbours: { of: shownToken(tokenizer, near), nearest: neighboursOf(model, tokenizer, near) },
    }),
    ...(effect && {
      without: {
        heads: without,
        divergence: effect.divergence,
        changes: effect.changes.map(({ id, ...change }) => ({ ...shownToken(tokenizer, id), ...change })),
      },
    }),
    ...(neuron && {
      neuron: {
        ...neuron,
        answers: [...answersOf(inside, neuron)],
        ...writtenBy(model, tokenizer, neuron),
        ...(ids && {
          excitedBy: (await excitingTokens(model, ids, neuron, { count: 12, signal })).map(
            ({ at, value }) => ({
              at,
              value,
              text: ids.slice(Math.max(0, at - 8), at + 1).map((id) => shownToken(tokenizer, id).text),
            }),
          ),
        }),
      },
    }),
  };
}
type More = Awaited<ReturnType<typeof askMore>>;

function tokenNamed(given: string, tokenizer: UsedRun["run"]["tokenizer"]): number {
  const number = /^id:(\d+)$/.exec(given)?.[1];
  if (number !== undefined) return Number(number);
  const ids = tokenizer.encode(given);
  if (ids.length === 1) return ids[0]!;
  const pieces = ids.map((id) => `${shownToken(tokenizer, id).text} (id:${id})`).join(", ");
  throw new SinterError("usage", `--neighbours takes one token; \`${given}\` has ${ids.length}: ${pieces}`);
}

function print(
  { model, step }: UsedRun,
  { shown, inside }: Looked,
  head: HeadPlace | undefined,
  more: More,
  io: Io,
): void {
  const say = sayer(io, false);
  const section = (title: string, lines: readonly string[]): void => {
    if (lines.length === 0) return;
    say(`\n${title}`);
    for (const line of lines) say(line);
  };
  const { layers, heads, neurons, tokens } = shown;
  say(
    `${model.manifest.model.name}, step ${step}: ${counted(layers, "layer")} of ` +
      `${counted(heads, "head")} and ${counted(neurons[0] ?? 0, "neuron")}`,
  );
  section("Tokens and their numbers", tokenLines(tokens, io.columns));
  if (shown.leftOut > 0) say(`  (${counted(shown.leftOut, "token")} before them left out)`);
  if (head) {
    const summaries = manyHeads(shown)
      ? shown.summaries.filter((s) => s.layer === head.layer)
      : shown.summaries;
    section("Heads, and what they look at", summaryLines(summaries));
    const name = `Attention of layer ${head.layer}, head ${head.head}: each row's token looks at the columns`;
    section(name, mapLines(tokens, headMap(inside, head), io.columns));
  }
  section("What each layer would say next", lensLines(shown, io.columns));
  section("The next token", likelyLines(shown.next));
  printMore(shown, more, section, say);
}

const manyHeads = ({ summaries }: TextInside): boolean => summaries.length > 24;

function printMore(
  { tokens }: TextInside,
  { neighbours, without, neuron }: More,
  section: (title: string, lines: readonly string[]) => void,
  say: Say,
): void {
  const list = (written: readonly { readonly text: string }[]): string =>
    written.map(({ text: t }) => t).join("  ");
  if (neighbours)
    section(
      `Nearest to ${neighbours.of.text} (${neighbours.of.id})`,
      neighbours.nearest.map(({ id, text: t, cosine }) => `  ${cosine.toFixed(3).padStart(7)}  ${t} ${id}`),
    );
  if (without) {
    section(
      `Without ${without.heads.map(({ layer, head }) => `head ${head} of layer ${layer}`).join(", ")}`,
      without.changes.map(
        ({ text: t, id, before, after }) =>
          `  ${fitted(`${t} ${id}`, 18)} ${shareText(before).padStart(8)} → ${shareText(after).padStart(8)}`,
      ),
    );
    say(`  the distribution moves by ${without.divergence.toPrecision(3)} nats`);
  }
  if (!neuron) return;
  section(`Neuron ${neuron.neuron} of layer ${neuron.layer}`, [
    `  answers     ${neuron.answers.map((value, t) => `${tokens[t]!.text} ${value.toFixed(2)}`).join("  ")}`,
    `  writes      ${list(neuron.speaksFor)}`,
    `  against     ${list(neuron.against)}`,
    ...(neuron.excitedBy ?? []).map(
      ({ value, text: pieces }) =>
        `  ${value.toFixed(2).padStart(10)}  ${pieces.slice(0, -1).join("")}»${pieces.at(-1)!}«`,
    ),
  ]);
}

function pageOf({ model, run, step }: UsedRun, inside: TextInside, head: HeadPlace | undefined): string {
  const { manifest } = model;
  const neurons = inside.strongest.map(({ layer, neuron, value }) => {
    const { speaksFor } = writtenBy(model, run.tokenizer, { layer, neuron }, 6);
    return {
      name: `layer ${layer}, neuron ${neuron}: ${value.toFixed(2)}`,
      says: `writes ${speaksFor.map(({ text: t }) => t).join("  ")}`,
    };
  });
  return insidePage({
    model: manifest.model.name,
    about: `step ${step} · ${counted(inside.layers, "layer")} of ${counted(inside.heads, "head")}`,
    inside,
    head,
    neurons,
  });
}

/** Seven digits are what an f32 has. */
const digits = (value: number): number => Number(value.toPrecision(7));

function asJson({ model, step }: UsedRun, inside: TextInside, more: More): object {
  const T = inside.tokens.length;
  const { attention, ...rest } = inside;
  const rows = (of: Float32Array): number[][] =>
    Array.from({ length: of.length / T }, (_, row) => [...of.subarray(row * T, (row + 1) * T)].map(digits));
  return {
    model: model.manifest.model.name,
    step,
    ...rest,
    summaries: rest.summaries.map((summary) => ({ ...summary, says: headText(summary) })),
    attention: attention.map((layer) => {
      const all = rows(layer);
      return Array.from({ length: inside.heads }, (_, head) => all.slice(head * T, (head + 1) * T));
    }),
    ...more,
  };
}
