/** `sinter label RUN --prompts FILE -o FILE`: a person says which of two answers is better. */
import { labelActions } from "../../../runtime/train/labelling.ts";
import { flag, required, text } from "../options/option.ts";
import { chatFormatOption, runOptions, samplerOptions } from "../options/run-options.ts";
import { label } from "../train/label.ts";
import { terminalKeys, wordsOf } from "../terminal/keys.ts";
import { defineVerb } from "./verb.ts";

const { cache: _, ...howItRuns } = runOptions;

const options = {
  prompts: required(text("<file>", "what is asked: rows with a prompt (.jsonl, .json), or a prompt a line")),
  out: required(text("<file>", "where the choices go; it goes on where it stopped", { short: "o" })),
  chatFormat: chatFormatOption,
  ...samplerOptions,
  ...howItRuns,
  json: flag("one JSON object a line, and words on standard input instead of keys"),
};

export const labelVerb = defineVerb({
  name: "label",
  summary: "say which of two answers is better, for preference data",
  arguments: [{ name: "<dir>", help: "folder of a run" }],
  options,
  notes: [
    "Two answers to each prompt are drawn from the model; which is on the left, chance says.",
    "Keys, and words where standard input is no terminal, one a line:",
    ...Object.entries(labelActions).map(([, { keys, does }]) => `  ${keys.join(", ").padEnd(14)}${does}`),
    "Each choice is on the disk before the next pair is shown. The file is preference data:",
    "prompt, chosen, rejected, and model, seed, time, ms, choice beside them; where neither was preferred,",
    "answers stands in the place of chosen and rejected, and prefer counts such rows and leaves them out.",
    "Prompts that the file holds are not asked again. Ctrl-C ends with exit code 5 and loses nothing.",
  ],
  examples: [
    "sinter label runs/answers --prompts questions.jsonl -o choices.jsonl",
    "printf 'left\\ntie\\n' | sinter label runs/answers --prompts questions.txt -o choices.jsonl",
  ],
  run([dir], asked, io) {
    const { stdin } = process;
    const isSeen = stdin.isTTY && io.tty && !asked.json;
    return label(dir!, asked, () => (isSeen ? terminalKeys(stdin) : wordsOf(stdin)), io);
  },
});
