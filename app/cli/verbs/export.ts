/** `sinter export DIR --to hf|gguf`: a run's weights for other programs. */
import { existsSync, statSync } from "node:fs";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import type { OutgoingForm } from "../../../runtime/formats/outgoing.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { exportRun } from "../runs/export-run.ts";
import { sizeText } from "../../../runtime/contract/amounts.ts";
import { flag, oneWord, read, required, text } from "../options/option.ts";
import { pathFrom } from "../terminal/io.ts";
import { openRunAt } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";

/** Number formats by form. */
const forms: Readonly<
  Record<OutgoingForm, { readonly title: string; readonly types: Readonly<Record<string, FloatFormat>> }>
> = {
  hf: { title: "Hugging Face folder", types: { f32: "F32", f16: "F16", bf16: "BF16" } },
  gguf: { title: "GGUF file", types: { f32: "F32", f16: "F16", bf16: "BF16", q8_0: "Q8_0", q4_0: "Q4_0" } },
};

const options = {
  to: required(
    read(
      text("<form>", "hf (config.json, model.safetensors, tokenizer) or gguf (llama.cpp)"),
      (given, name) => oneWord(["hf", "gguf"], given, name),
    ),
  ),
  out: required(text("<path>", "the folder (hf) or file (gguf)", { short: "o" })),
  dtype: text("<type>", "f32, f16, bf16; for gguf also q8_0 and q4_0 (default: as the run keeps them)"),
  force: flag("replace what is there"),
  json: flag("machine-readable"),
};

export const exportVerb = defineVerb({
  name: "export",
  summary: "a run's weights for other programs",
  arguments: [{ name: "<dir>", help: "folder of a run" }],
  options,
  examples: [
    "sinter export runs/gpt2 --to gguf --dtype q8_0 -o gpt2-q8.gguf",
    "sinter export runs/stories --to hf -o stories-hf",
  ],
  async run([dir], { to, out: given, dtype: askedType, force, json }, io) {
    const files = nodeFiles();
    const dtype = askedType?.toLowerCase();
    const { title, types } = forms[to];
    if (dtype !== undefined && !Object.hasOwn(types, dtype))
      throw new SinterError("usage", `--dtype ${dtype}: a ${title} takes ${Object.keys(types).join(", ")}`);
    const out = pathFrom(io, given);
    if (!force && (await files.exists(out)))
      throw new SinterError(
        "input",
        `${given} is there already`,
        "Choose another name, or replace it: --force",
      );
    if (existsSync(out) && statSync(out).isDirectory() !== (to === "hf"))
      throw new SinterError(
        "input",
        `${given} is ${to === "hf" ? "a file" : "a folder"}, and a ${title} is none`,
        "Choose another name.",
      );
    const run = await openRunAt(dir!, io);
    const made = await exportRun(files, run, to, dtype === undefined ? "as stored" : types[dtype]!, out, io);
    const numbers = made.numbers.toLowerCase();
    const facts = [
      title,
      `${made.tensors} tensors`,
      dtype ?? `most of it ${numbers}`,
      `${sizeText(made.bytes)} (weights of step ${made.step})`,
    ];
    const notes = made.notes.map((note) => `note: ${note}\n`).join("");
    io.out(
      json
        ? `${JSON.stringify({ to, path: given, ...made, dtype: numbers, numbers: undefined })}\n`
        : `${given}: ${facts.join(", ")}\n${notes}`,
    );
    return exitCodes.ok;
  },
});
