/** All that decides the numbers of a run, by name, as texts: what two runs may differ in. */
import { basename } from "node:path";
import { canonical, isObject } from "../../../runtime/base/schema.ts";
import type { Manifest } from "../../../runtime/contract/manifest.ts";
import { inSpec } from "../options/training-options.ts";
import type { RunRecord } from "../../../runtime/store/run-record.ts";

/** A number that was divided, like min_lr, is not shown to its last bit. */
const DIGITS = 9;

type Named = readonly [name: string, value: string];

/** `manifest`: undefined where it is damaged; the model's sizes are left out then. */
export function runSettings(
  record: Omit<RunRecord, "id" | "files"> | RunRecord,
  manifest: Manifest | undefined,
): ReadonlyMap<string, string> {
  const { settings, stage, data, from, imported, compiler, target, changes = [] } = record;
  const wasm = "files" in record ? wasmHashes(record.files) : [];
  return new Map<string, string>([
    ...flat("", settings).map(([name, value]) => [name, withChanges(name, value, changes)] as const),
    ...(stage ? flat(stage.stage, { ...stage, stage: undefined, block: undefined }) : []),
    ["stage", stage?.stage ?? "train"],
    ["data", `${data.path === undefined ? "built-in" : basename(data.path)} (${short(data.sha256)})`],
    ...flat("from", { ...from, ...imported }),
    ...(manifest ? modelSettings(manifest.model) : []),
    ["compiler", compiler],
    ...(target === undefined ? [] : [["target", target] as const]),
    ...wasm,
  ]);
}

/** A setting's present value, and those that it had before. */
function withChanges(name: string, value: string, changes: NonNullable<RunRecord["changes"]>): string {
  const own = changes.filter(({ setting }) => inSpec(setting) === name);
  if (own.length === 0) return value;
  return [`${own[0]!.from}`, ...own.map(({ step, to }) => `after step ${step}: ${to}`)].join("; ");
}

const wasmHashes = (files: RunRecord["files"]): Named[] =>
  Object.entries(files).flatMap(([name, { sha256 }]) =>
    name.endsWith(".wasm") ? [[name.replace("bundle/", ""), short(sha256)] as const] : [],
  );

/** Sizes, and the options of every part; where only the order of parts differs, the hash of the wasm does. */
function modelSettings({
  train: _,
  sample: __,
  name,
  sizes,
  tokenizer,
  ...rest
}: Manifest["model"]): Named[] {
  return [
    ["model", name],
    ["tokenizer", tokenizer],
    ...flat("model", sizes),
    ...partsIn(rest).flatMap((part) => flat(`model.${String(part["name"])}`, ownOptions(part, sizes))),
  ];
}

/** Options of a part that do not only repeat a size of the model. */
const ownOptions = (part: Readonly<Record<string, unknown>>, sizes: object): object =>
  Object.fromEntries(
    Object.entries(part).filter(
      ([key, value]) => key !== "name" && (sizes as Readonly<Record<string, unknown>>)[key] !== value,
    ),
  );

/** The parts of a model, in the order of its expressions. */
function partsIn(value: unknown): Readonly<Record<string, unknown>>[] {
  if (Array.isArray(value)) return value.flatMap(partsIn);
  if (!isObject(value)) return [];
  const inside = Object.values(value).flatMap(partsIn);
  return typeof value["part"] === "string" ? [value, ...inside] : inside;
}

/** The first digits of a hash tell it from others; any other text is itself. */
const short = (text: string): string => (/^[0-9a-f]{64}$/.test(text) ? text.slice(0, 12) : text);

/** What an object holds, with the names that a spec would have; lists as JSON. */
function flat(before: string, value: object): Named[] {
  return Object.entries(value).flatMap(([key, inner]): Named[] => {
    const name = before === "" ? inSpec(key) : `${before}.${inSpec(key)}`;
    if (inner === undefined) return [];
    if (isObject(inner)) return flat(name, inner);
    if (typeof inner === "number") return [[name, `${Number(inner.toPrecision(DIGITS))}`]];
    return [[name, typeof inner === "string" ? short(inner) : canonical(inner)]];
  });
}
