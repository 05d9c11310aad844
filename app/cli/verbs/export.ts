/** `sinter export DIR --to hf|gguf`: a run's weights for other programs. */
import { existsSync, statSync } from "node:fs";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import type { OutgoingForm } from "../../../runtime/formats/outgoing.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { exportRun } from "../runs/export-run.ts";
import { sizeText } from "../../../runtime/contract/amounts.ts";
import { pathFrom, textOption } from "../options/run-options.ts";
import { openRunAt } from "../runs/use-run.ts";
import type { Verb } from "./verb.ts";

/** Number formats by form. */
const forms: Readonly<
  Record<OutgoingForm, { readonly title: string; readonly types: Readonly<Record<string, FloatFormat>> }>
> = {
  hf: { title: "Hugging Face folder", types: { f32: "F32", f16: "F16", bf16: "BF16" } },
  gguf: { title: "GGUF file", types: { f32: "F32", f16: "F16", bf16: "BF16", q8_0: "Q8_0", q4_0: "Q4_0" } },
};

export const exportVerb: Verb = {
  name: "export",
  summary: "a run's weights for other programs",
  configure(command) {
    command
      .argument("<dir>", "folder of a run")
      .requiredOption("--to <form>", "hf (config.json, model.safetensors, tokenizer) or gguf (llama.cpp)")
      .requiredOption("-o, --out <path>", "the folder (hf) or file (gguf)")
      .option(
        "--dtype <type>",
        "f32, f16, bf16; for gguf also q8_0 and q4_0 (default: as the run keeps them)",
      )
      .option("--force", "replace what is there")
      .option("--json", "machine-readable")
      .addHelpText(
        "after",
        "\nexamples:\n  sinter export runs/gpt2 --to gguf --dtype q8_0 -o gpt2-q8.gguf\n  sinter export " +
          "runs/stories --to hf -o stories-hf",
      );
  },
  async run([dir], options, io) {
    const files = nodeFiles();
    const to = textOption(options, "to")!;
    const dtype = textOption(options, "dtype")?.toLowerCase();
    if (!Object.hasOwn(forms, to))
      throw new SinterError("usage", `--to takes ${Object.keys(forms).join(", ")}, not \`${to}\``);
    const form = to as OutgoingForm;
    const { title, types } = forms[form];
    if (dtype !== undefined && !Object.hasOwn(types, dtype))
      throw new SinterError("usage", `--dtype ${dtype}: a ${title} takes ${Object.keys(types).join(", ")}`);
    const given = textOption(options, "out")!;
    const out = pathFrom(io, given);
    if (options["force"] !== true && (await files.exists(out)))
      throw new SinterError(
        "input",
        `${given} is there already`,
        "Choose another name, or replace it: --force",
      );
    if (existsSync(out) && statSync(out).isDirectory() !== (form === "hf"))
      throw new SinterError(
        "input",
        `${given} is ${form === "hf" ? "a file" : "a folder"}, and a ${title} is none`,
        "Choose another name.",
      );
    const run = await openRunAt(dir!, io);
    const made = await exportRun(
      files,
      run,
      form,
      dtype === undefined ? "as stored" : types[dtype]!,
      out,
      io,
    );
    const numbers = made.numbers.toLowerCase();
    io.out(
      options["json"]
        ? `${JSON.stringify({ to, path: given, ...made, dtype: numbers, numbers: undefined })}\n`
        : `${given}: ${title}, ${made.tensors} tensors, ${dtype === undefined ? `most of it ${numbers}` : dtype}, ${sizeText(made.bytes)} (weights of step ${made.step})\n${made.notes.map((note) => `note: ${note}\n`).join("")}`,
    );
    return exitCodes.ok;
  },
};
