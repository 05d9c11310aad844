/** `sinter inspect FILE`: what is in a file of weights. */
import { exitCodes } from "../../../runtime/base/errors.ts";
import { inspect, type Inspection } from "../../../runtime/formats/inspect.ts";
import type { MetadataValue } from "../../../runtime/formats/kit/weights.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { sizeText, thousands } from "../../../runtime/contract/amounts.ts";
import { flag } from "../options/option.ts";
import { pathFrom } from "../terminal/io.ts";
import { checkIfRun } from "../runs/use-run.ts";
import { defineVerb } from "./verb.ts";

export const inspectVerb = defineVerb({
  name: "inspect",
  summary: "what is in a file of weights",
  arguments: [
    {
      name: "<path>",
      help: "safetensors, GGUF, llama2.c .bin, a Hugging Face folder, a run folder, a checkpoint",
    },
  ],
  options: {
    all: flag("every layer's tensors, not one line for all layers that are alike"),
    json: flag("machine-readable"),
  },
  examples: [
    "sinter inspect model.gguf",
    "sinter inspect runs/shakespeare",
    "sinter inspect model.safetensors --json",
  ],
  async run([path], options, io) {
    await checkIfRun(path!, io);
    const found = await inspect(nodeFiles(), pathFrom(io, path!));
    io.out(
      options.json ? `${JSON.stringify(asJson(found), null, 1)}\n` : table(found, options.all, io.columns),
    );
    return exitCodes.ok;
  },
});

/** Numbers of 64 bits, which JSON cannot hold beyond 2^53, become texts. */
const asJson = ({ metadata, ...rest }: Inspection): unknown => ({
  ...rest,
  metadata: Object.fromEntries(metadata.map(([key, value]) => [key, plain(value)])),
});
const plain = (value: MetadataValue): unknown =>
  typeof value === "bigint"
    ? `${value}`
    : Array.isArray(value)
      ? value.map((v: MetadataValue) => plain(v))
      : value;

function table(
  { path, form, metadata, tensors, parameters, bytes }: Inspection,
  all: boolean,
  columns: number,
): string {
  const lines = [
    `${printable(path)}: ${form}, ${tensors.length} tensors, ${thousands(parameters)} parameters, ` +
      `${sizeText(bytes)}`,
    "",
  ];
  const keyWidth = Math.max(0, ...metadata.map(([key]) => Math.min(48, printable(key).length)));
  for (const [key, value] of metadata)
    lines.push(
      `  ${cut(printable(key), 48).padEnd(keyWidth)}  ` +
        `${cut(shown(value), Math.max(20, columns - keyWidth - 6))}`,
    );
  if (metadata.length > 0) lines.push("");
  const rows = all ? tensors.map((t) => ({ ...t, times: 1 })) : together(tensors);
  const cells = rows.map(({ name, type, shape, bytes: size, times }) => [
    cut(printable(name), 60),
    type,
    `[${shape.join(", ")}]`,
    sizeText(size),
    times > 1 ? `× ${times}` : "",
  ]);
  const widths = [0, 1, 2, 3].map((i) => Math.max(0, ...cells.map((row) => row[i]!.length)));
  for (const [name, type, shape, size, times] of cells)
    lines.push(
      (
        `  ${name!.padEnd(widths[0]!)}  ${type!.padEnd(widths[1]!)}  ${shape!.padEnd(widths[2]!)}  ` +
        `${size!.padStart(widths[3]!)}  ${times}`
      ).trimEnd(),
    );
  return `${lines.join("\n")}\n`;
}

type Row = Inspection["tensors"][number] & { readonly times: number };

/**
 * Layers that have the same tensor in the same type and shape share a row, with {i} for the layer's number.
 */
function together(tensors: Inspection["tensors"]): Row[] {
  const rows = new Map<string, Row>();
  for (const tensor of tensors) {
    const name = tensor.name.replace(/\.\d+\./, ".{i}.");
    const key = `${name} ${tensor.type} ${tensor.shape.join()}`;
    const before = rows.get(key);
    rows.set(
      key,
      before
        ? { ...before, name, bytes: before.bytes + tensor.bytes, times: before.times + 1 }
        : { ...tensor, times: 1 },
    );
  }
  return [...rows.values()];
}

function shown(value: MetadataValue): string {
  if (typeof value === "string") return JSON.stringify(printable(value));
  if (typeof value === "object" && "count" in value) return `${thousands(value.count)} × ${value.type}`;
  return Array.isArray(value) ? `[${value.map((v: MetadataValue) => shown(v)).join(", ")}]` : String(value);
}

/** Text from a file must not steer the terminal. */
const printable = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (c) => (c === "\n" ? "⏎" : "�"));
const cut = (text: string, most: number): string =>
  text.length > most ? `${text.slice(0, most - 1)}…` : text;
