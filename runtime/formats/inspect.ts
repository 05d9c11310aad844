/**
 * What a file of weights holds, as data for a table or for other programs (`sinter inspect`). It reads
 * headers only.
 */
import { openCheckpoint } from "../store/checkpoint-file.ts";
import { listCheckpoints } from "../store/checkpoint.ts";
import type { Files } from "../base/files.ts";
import { SinterError } from "../base/errors.ts";
import { holdsRun } from "../store/run-folder.ts";
import { openGguf } from "./gguf/gguf.ts";
import { openLlama2c } from "./llama2c.ts";
import { kindOf } from "./published.ts";
import { openSafetensors, openSafetensorsFolder } from "./safetensors-weights.ts";
import type { MetadataValue, StoredTensor, WeightFile } from "./kit/weights.ts";

export interface Inspection {
  readonly path: string;
  /** For example "GGUF 3", "safetensors", "llama2.c v1", "checkpoint of step 250". */
  readonly form: string;
  readonly metadata: readonly (readonly [string, MetadataValue])[];
  readonly tensors: readonly Pick<
    StoredTensor,
    "name" | "type" | "shape" | "elements" | "bytes" | "offset" | "file"
  >[];
  /** Elements of all tensors. In a checkpoint the optimizer's moments are not counted. */
  readonly parameters: number;
  readonly bytes: number;
}

export async function inspect(files: Files, path: string): Promise<Inspection> {
  const file = await openAny(files, path);
  try {
    const checkpoint = file.metadata.has("sinter");
    const tensors = [...file.tensors.values()].map(
      ({ name, type, shape, elements, bytes, offset, file: from }) => ({
        name,
        type,
        shape,
        elements,
        bytes,
        offset,
        file: from,
      }),
    );
    return {
      path: file.path,
      form: checkpoint ? await checkpointForm(files, file.path) : formOf(file),
      metadata: [...file.metadata].filter(([key]) => !(checkpoint && key.startsWith("sinter"))),
      tensors,
      parameters: tensors
        .filter((t) => !(checkpoint && /^moment\d\./.test(t.name)))
        .reduce((sum, t) => sum + t.elements, 0),
      bytes: tensors.reduce((sum, t) => sum + t.bytes, 0),
    };
  } finally {
    await file.close();
  }
}

function formOf({ format, version }: WeightFile): string {
  const name = format === "gguf" ? "GGUF" : format;
  return version === "" ? name : `${name} ${version}`;
}

async function openAny(files: Files, path: string): Promise<WeightFile> {
  const kind = await kindOf(files, path);
  switch (kind) {
    case "gguf":
      return openGguf(files, path);
    case "llama2.c":
      return openLlama2c(files, path);
    case "safetensors":
      return openSafetensors(files, path);
    case "folder": {
      if (!(await holdsRun(files, path))) return openSafetensorsFolder(files, path);
      const [newest] = await listCheckpoints(files, path);
      if (!newest)
        throw new SinterError(
          "input",
          `${path} is a run without a checkpoint`,
          "Train it first: sinter train --resume --out DIR",
        );
      return openSafetensors(files, `${path}/${newest.file}`);
    }
  }
}

/** Opens the checkpoint, which checks its state's hash. */
async function checkpointForm(files: Files, path: string): Promise<string> {
  const { state, close } = await openCheckpoint(files, path);
  await close();
  return `checkpoint of step ${state.step}`;
}
