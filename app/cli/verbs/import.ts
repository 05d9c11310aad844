/** `sinter import PATH -o DIR`: a published model becomes a run folder. */
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { openPublished } from "../../../runtime/formats/published.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import { holdsRun } from "../../../runtime/store/run-folder.ts";
import { tilesFor, withTuneOptions } from "../options/tune-file.ts";
import { publishedSampling } from "../runs/import-sampling.ts";
import { findPublishedTokenizer } from "../runs/import-tokenizer.ts";
import { importRun } from "../runs/import-run.ts";
import { checkIfRun } from "../runs/use-run.ts";
import { mixedFormats, weightsText, type Mixed } from "../options/weights.ts";
import {
  memoryLimit,
  pathFrom,
  targetOption,
  textOption,
  wholeOption,
  withMemoryOption,
  type Options,
} from "../options/run-options.ts";
import type { Verb } from "./verb.ts";

const dtypes = ["f32", "f16", "bf16", "q8_0", "q4_0"] as const;

function dtypeOption(options: Options): Mixed<FloatFormat> | undefined {
  const text = textOption(options, "dtype");
  if (text === undefined) return undefined;
  const { others, table, output } = mixedFormats("dtype", text.toLowerCase(), dtypes);
  const upper = (type: (typeof dtypes)[number]) => type.toUpperCase() as Uppercase<typeof type>;
  return {
    others: upper(others),
    ...(table && { table: upper(table) }),
    ...(output && { output: upper(output) }),
  };
}

export const importVerb: Verb = {
  name: "import",
  summary: "a published model becomes a run folder",
  configure(command) {
    withTuneOptions(withMemoryOption(command))
      .argument("<path>", "Hugging Face folder, .safetensors with its config.json, .gguf, or llama2.c .bin")
      .requiredOption("-o, --out <dir>", "folder of the run")
      .option(
        "--tokenizer <dir>",
        "folder with the tokenizer's files (default: what lies beside the weights or in them)",
      )
      .option("--context <n>", "a shorter context than published: less memory for keys and values")
      .option(
        "--dtype <type>",
        `numbers that matrices are kept in: ${dtypes.join(", ")} (default: as in the file). Of a mix: ` +
          "q4_0,table=q8_0,output=q8_0, which is what q4_0 alone means",
      )
      .option("--target <name>", "simd, relaxed or wide (default: the best that this machine runs)")
      .option("--force", "replace the run that is in the folder, once all is checked")
      .option("--json", "machine-readable")
      .addHelpText(
        "after",
        "\nexamples:\n  sinter import gpt2/ -o runs/gpt2\n  sinter import stories15M.bin -o " +
          "runs/stories\n  sinter import model.gguf -o runs/model --context 2048\n  sinter import llama/ " +
          '-o runs/llama --dtype q4_0\n  sinter sample runs/stories -p "Once upon a time"',
      );
  },
  async run([path], options, io) {
    const files = nodeFiles();
    const folder = pathFrom(io, textOption(options, "out")!);
    const source = pathFrom(io, path!);
    const target = targetOption(options) ?? (await bestTarget(nodeHost));
    const context = wholeOption(options, "context", 1);
    const dtype = dtypeOption(options);
    const force = options["force"] === true && (await holdsRun(files, folder));
    if (!force && (await holdsRun(files, folder)))
      throw new SinterError(
        "input",
        `${folder} holds a run already`,
        "Name another folder: -o DIR. Or replace it: --force",
      );
    const opened = await openPublished(files, source);
    try {
      const published = {
        ...opened,
        architecture: { ...opened.architecture, context: shorter(opened.architecture, context) },
      };
      const given = textOption(options, "tokenizer");
      if (given !== undefined) await checkIfRun(given, io);
      const { tokenizer, notes: besides } = await findPublishedTokenizer(
        files,
        published,
        source,
        given === undefined ? undefined : pathFrom(io, given),
      );
      const { settings: sample, notes: samples } = publishedSampling(tokenizer);
      const { model, parameters, tensors, bytes, weights, notes } = await importRun(published, {
        files,
        folder,
        tokenizer,
        sample,
        target,
        memoryLimit: memoryLimit(options),
        dtype,
        tiles: tilesFor(source, options, io),
        force,
        io,
      });
      const facts = {
        folder: textOption(options, "out"),
        model: model.name,
        form: published.title,
        parameters,
        tensors,
        tokenizer: tokenizer.name,
        bytes,
        weights: weightsText(weights),
        notes: [...published.notes, ...notes, ...besides, ...samples],
      };
      io.out(
        options["json"]
          ? `${JSON.stringify(facts)}\n`
          : [
              `${model.name}: ${published.title}, ${thousands(parameters)} parameters in ${tensors} ` +
                `tensors, ${sizeText(bytes)} in ${facts.weights}, tokenizer ${tokenizer.name}`,
              ...facts.notes.map((note) => `note: ${note}`),
              `${facts.folder}/spec.sinter is its spec; go on with: sinter sample ${facts.folder}`,
              "",
            ].join("\n"),
      );
      return exitCodes.ok;
    } finally {
      await opened.file.close();
    }
  },
};

function shorter(
  { family, context }: { readonly family: string; readonly context: number },
  wanted: number | undefined,
): number {
  if (wanted === undefined || wanted === context) return context;
  if (wanted > context) throw new SinterError("usage", `--context is at most the published ${context}`);
  if (family === "gpt2")
    throw new SinterError(
      "usage",
      `--context ${wanted}: the model has learned ${context} positions, and its context is fixed`,
    );
  return wanted;
}
