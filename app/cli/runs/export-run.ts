/** A run folder's newest weights → a GGUF file or a Hugging Face folder. */
import { basename, dirname } from "node:path";
import {
  TEMPORARY,
  writeAll,
  writeAtomically,
  writeText,
  type Files,
  type WritableFile,
} from "../../../runtime/base/files.ts";
import { ggufPairs } from "../../../runtime/formats/gguf/gguf-config.ts";
import { fileTypes } from "../../../runtime/formats/gguf/gguf-types.ts";
import { ggufHeader, paddingAfter, tensorBytes } from "../../../runtime/formats/gguf/gguf-write.ts";
import { CONFIG_FILE } from "../../../runtime/formats/huggingface/huggingface-common.ts";
import { configText } from "../../../runtime/formats/huggingface/huggingface-out.ts";
import type { FloatFormat } from "../../../runtime/contract/number-formats.ts";
import {
  encoded,
  outgoing,
  type Outgoing,
  type OutgoingForm,
  type OutgoingType,
} from "../../../runtime/formats/outgoing.ts";
import { recognise } from "../../../runtime/formats/architecture/recognise.ts";
import { withMerged, type Adapter } from "../../../runtime/store/adapter.ts";
import { ADAPTER_CONFIG, peftNames } from "../../../runtime/formats/peft-names.ts";
import { writePeft } from "../../../runtime/formats/peft-out.ts";
import { SINGLE_FILE } from "../../../runtime/formats/safetensors-weights.ts";
import { endsOf } from "../../../runtime/formats/tokenizer-out.ts";
import { tokenizerFolderFiles } from "../../../runtime/formats/tokenizer-to-huggingface.ts";
import { chatFormatNames, type ChatFormatName } from "../../../runtime/tokenizers/chat/chat-formats.ts";
import { tokenizerPairs } from "../../../runtime/formats/tokenizer-to-gguf.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { writeHeader, type SafeDType } from "../../../runtime/store/safetensors.ts";
import { removedOnSignal } from "../terminal/files.ts";
import { byteProgress } from "../terminal/progress.ts";
import { wholeFolder } from "../terminal/whole-folder.ts";
import type { Io } from "../terminal/io.ts";
import { adapterOfRun } from "./adapters.ts";
import { openMerged } from "./open-weights.ts";

export interface Exported {
  readonly bytes: number;
  readonly tensors: number;
  /** The number format of most tensors. */
  readonly numbers: FloatFormat;
  readonly step: number;
  readonly notes: readonly string[];
}

export interface ExportOptions {
  readonly form: OutgoingForm;
  readonly type: OutgoingType;
  readonly out: string;
  /** Is merged, beside the adapters that the run has of its own. */
  readonly adapter?: Adapter | undefined;
}

export async function exportRun(
  files: Files,
  run: Run,
  { form, type, out, adapter }: ExportOptions,
  io: Io,
): Promise<Exported> {
  const own = await openMerged(files, run, io);
  const checkpoint = adapter ? withMerged(own, adapter) : own;
  try {
    const model = outgoing(recognise(run.bundle.manifest.model), checkpoint, form, type);
    const toFolder = (into: string): Promise<Made> => writeFolder(files, run, model, into, io);
    const made = await (form === "gguf"
      ? writeGguf(files, run, model, out, io)
      : wholeFolder(out, CONFIG_FILE, toFolder));
    return {
      ...made,
      numbers: model.numbers,
      tensors: model.tensors.length,
      step: checkpoint.state.step,
      notes: [...model.notes, ...made.notes],
    };
  } finally {
    await checkpoint.close();
  }
}

/** The adapters of a run alone, as PEFT's folder. */
export async function exportAdapters(
  files: Files,
  run: Run,
  out: string,
  io: Io,
): Promise<{ readonly tensors: number; readonly bytes: number; readonly step: number }> {
  const { adapter, base, step } = await adapterOfRun(files, run, io);
  const { manifest } = run.bundle;
  const names = peftNames(manifest.model, (manifest.modules.train ?? manifest.modules.infer)!.tensors);
  const made = await wholeFolder(out, ADAPTER_CONFIG, async (into) => {
    await files.makeFolder(into);
    return writePeft(files, into, adapter, { base: { name: run.record.model, hash: base }, names });
  });
  return { ...made, step };
}

type Made = { readonly bytes: number; readonly notes: readonly string[] };

export async function writeGguf(
  files: Files,
  { tokenizer, record }: Pick<Run, "tokenizer"> & Partial<Pick<Run, "record">>,
  { architecture, type: published, numbers, tensors }: Outgoing,
  out: string,
  io: Io,
): Promise<Made> {
  const { out: pairs, note } = tokenizerPairs(tokenizer, architecture.vocab, learntFormat(record));
  const header = ggufHeader([...ggufPairs(architecture, published, fileTypes[numbers]!), ...pairs], tensors);
  const data = tensors.reduce((sum, t) => sum + tensorBytes(t) + paddingAfter(tensorBytes(t)), 0);
  const release = removedOnSignal(out + TEMPORARY);
  await writeAtomically(files, dirname(out), basename(out), async (file) => {
    await file.write(header);
    await writeTensors(file, tensors, data, io, (bytes) => file.write(new Uint8Array(paddingAfter(bytes))));
  }).finally(release);
  return { bytes: header.length + data, notes: note === undefined ? [] : [note] };
}

/** The built-in format of a run's stage. */
const learntFormat = (record: Run["record"] | undefined): ChatFormatName | undefined =>
  chatFormatNames.find((name) => name === record?.stage?.chatFormat);

async function writeFolder(
  files: Files,
  { tokenizer, record }: Run,
  { architecture, type: published, numbers, tensors }: Outgoing,
  out: string,
  io: Io,
): Promise<Made> {
  const { out: tokenizerFiles, note } = tokenizerFolderFiles(tokenizer, learntFormat(record));
  const header = writeHeader(
    tensors.map(({ name, type, shape }) => ({ name, dtype: type as SafeDType, shape })),
    { format: "pt" },
  );
  const data = tensors.reduce((sum, t) => sum + tensorBytes(t), 0);
  await files.makeFolder(out);
  await writeAll(files, out, tokenizerFiles);
  const ends = endsOf(tokenizer);
  const ids = { bos: tokenizer.beginOfText ?? tokenizer.endOfText, eos: ends.length > 1 ? ends : ends[0] };
  await writeText(files, out, CONFIG_FILE, configText(architecture, published, numbers, ids));
  await writeAtomically(files, out, SINGLE_FILE, async (file) => {
    await file.write(header);
    await writeTensors(file, tensors, data, io, async () => {});
  });
  return { bytes: header.length + data, notes: note === undefined ? [] : [note] };
}

async function writeTensors(
  file: WritableFile,
  tensors: Outgoing["tensors"],
  data: number,
  io: Io,
  after: (bytes: number) => Promise<void>,
): Promise<void> {
  const progress = byteProgress(io, "weights", data);
  try {
    for (const tensor of tensors) {
      for (const bytes of tensor.stored
        ? [await tensor.stored()]
        : encoded(await tensor.values(), tensor.type)) {
        await file.write(bytes);
        progress.add(bytes.length);
      }
      await after(tensorBytes(tensor));
    }
  } finally {
    progress.end();
  }
}
