/** A published model's path → a run folder: what `sinter import` does, and `sinter serve` with a file. */
import { bestTarget } from "../../../runtime/engine/choose-target.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { openPublished, type Published } from "../../../runtime/formats/published.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Target } from "../../../runtime/contract/targets.ts";
import type { Tokenizer } from "../../../runtime/tokenizers/base/tokenizer.ts";
import { pathFrom } from "../terminal/io.ts";
import { importRun, type Imported, type ImportOptions } from "./import-run.ts";
import { publishedSampling } from "./import-sampling.ts";
import { findPublishedTokenizer } from "./import-tokenizer.ts";
import { checkIfRun } from "./use-run.ts";

export interface PublishedOptions extends Omit<ImportOptions, "tokenizer" | "sample" | "target"> {
  /** A folder with the tokenizer's files; undefined: what lies beside the weights or in them. */
  readonly tokenizer?: string | undefined;
  /** A shorter context than the published one. */
  readonly context: number | undefined;
  /** Where positions are computed, not learned, a longer context is cut to this. Default: it never is. */
  readonly mostContext?: number | undefined;
  /** Undefined: the best that this machine runs. */
  readonly target: Target | undefined;
}

export interface PublishedRun {
  readonly published: Published;
  readonly imported: Imported;
  readonly tokenizer: Tokenizer;
  /** What the user should know: what was left out or changed. */
  readonly notes: readonly string[];
}

/** `source`: a Hugging Face folder, .safetensors, .gguf, or llama2.c's .bin. */
export async function importPublished(source: string, o: PublishedOptions): Promise<PublishedRun> {
  const { files, io } = o;
  const opened = await openPublished(files, source);
  try {
    const { family, context: whole } = opened.architecture;
    const most = family === "gpt2" ? undefined : o.mostContext;
    const context = shorter(opened.architecture, o.context ?? Math.min(whole, most ?? whole));
    const published = { ...opened, architecture: { ...opened.architecture, context } };
    if (o.tokenizer !== undefined) await checkIfRun(o.tokenizer, io);
    const given = o.tokenizer === undefined ? undefined : pathFrom(io, o.tokenizer);
    const { tokenizer, notes: besides } = await findPublishedTokenizer(files, published, source, given);
    const { settings: sample, notes: samples } = publishedSampling(tokenizer);
    const target = o.target ?? (await bestTarget(nodeHost));
    const imported = await importRun(published, { ...o, tokenizer, sample, target });
    const notes = [...published.notes, ...imported.notes, ...besides, ...samples];
    return { published, imported, tokenizer, notes };
  } finally {
    await opened.file.close();
  }
}

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
