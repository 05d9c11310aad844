/**
 * sinter.tune.json stands beside the specs. It holds, by shape, tiles that `sinter tune` has found to be
 * faster than the compiler's own on one machine; all specs of the folder share it. Every number that comes
 * from the file is checked (6-tile/chosen-tiles.ts) before the compiler sees it.
 */
import { cpus } from "node:os";
import { resolve } from "node:path";
import type { Attrs } from "../../../compiler/ops/kit/op.ts";
import type { Dims } from "../../../compiler/ops/kit/signature.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { chooseTiles, type ChosenTiles, type TileChoice } from "../../../compiler/6-tile/chosen-tiles.ts";
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { counted } from "../../../runtime/contract/amounts.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { readText } from "../terminal/input.ts";
import { hasTuneFile, TUNE_FILE, tunePath, type TuneOptions } from "./tune-options.ts";
import type { Io } from "../terminal/io.ts";

const VERSION = 1;
const MOST_BYTES = 1 << 20;
const MOST_CHOICES = 4096;

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly v8: string;
  readonly compiler: string;
}

export interface Choice extends TileChoice {
  /**
   * Milliseconds of one call with these tiles, and with the operation's own; and the number of workers that
   * both were measured on.
   */
  readonly ms: number;
  readonly ownMs: number;
  readonly workers: number;
}

export interface TuneFile {
  readonly version: typeof VERSION;
  readonly machine: Machine;
  readonly choices: readonly Choice[];
}

export const thisMachine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: nodeHost.cores,
  v8: process.versions.v8,
  compiler: COMPILER_VERSION,
});

/** "AMD EPYC, 2 cores, V8 13.6.233.17, sinter 0.1.0". */
export const machineText = (m: Machine): string =>
  `${m.cpu}, ${m.cores} cores, V8 ${m.v8}, sinter ${m.compiler}`;
export const sameMachine = (a: Machine, b: Machine): boolean => machineText(a) === machineText(b);

/** The file's text: a choice a line. */
export const writeTuneText = (file: TuneFile): string => {
  const { choices, ...head } = file;
  const opened = JSON.stringify(head, null, 2).replace(/\n}$/, "");
  const rows = choices.map((choice) => `    ${JSON.stringify(choice)}`).join(",\n");
  return `${opened},\n  "choices": [\n${rows}\n  ]\n}\n`;
};

/** Reads and checks the file. Throws a SinterError of kind "corrupt" that names the wrong entry. */
export function readTuneFile(
  path: string,
  io: Io,
): { readonly file: TuneFile; readonly chosen: ChosenTiles } {
  const wrong = (what: string): never => {
    throw new SinterError(
      "corrupt",
      `${path}: ${what}`,
      "`sinter tune SPEC --fresh` writes it anew; --no-tune leaves it out.",
    );
  };
  let value: unknown;
  try {
    value = JSON.parse(readText(path, io, MOST_BYTES));
  } catch (cause) {
    if (cause instanceof SinterError) throw cause;
    return wrong(`it is not JSON: ${(cause as Error).message}`);
  }
  if (!isRecord(value)) return wrong("it does not hold an object");
  if (value["version"] !== VERSION)
    return wrong(`it has version ${JSON.stringify(value["version"])}; this compiler reads ${VERSION}`);
  const machine = value["machine"];
  const list = value["choices"];
  if (
    !isRecord(machine) ||
    !["cpu", "v8", "compiler"].every((k) => typeof machine[k] === "string") ||
    typeof machine["cores"] !== "number"
  )
    return wrong("it does not say which machine it is of");
  if (!Array.isArray(list) || list.length > MOST_CHOICES)
    return wrong(`"choices" is not a list of at most ${MOST_CHOICES}`);
  const choices = list.map((entry: unknown, i) => choiceOf(entry) ?? wrong(`choice ${i + 1} is not one`));
  const result = chooseTiles(choices);
  if ("wrong" in result)
    return wrong(
      `choice ${result.at + 1} (${choices[result.at]!.op}, ${choices[result.at]!.target}): ${result.wrong}`,
    );
  return {
    file: { version: VERSION, machine: machine as unknown as Machine, choices },
    chosen: result.chosen,
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const allOf = (value: unknown, kinds: readonly string[]): boolean =>
  isRecord(value) && Object.values(value).every((v) => kinds.includes(typeof v));
const milliseconds = (value: unknown): number => (typeof value === "number" && value > 0 ? value : 0);

/**
 * Checks only what kinds of values an entry holds; sizes and tiles are checked where the operations are
 * known.
 */
function choiceOf(entry: unknown): Choice | undefined {
  if (!isRecord(entry)) return undefined;
  const { target, op, d, attrs, tensors, tiles, workers } = entry;
  const found = targets.find((t) => t === target);
  if (
    !found ||
    typeof op !== "string" ||
    !allOf(d, ["number"]) ||
    !allOf(tiles, ["number"]) ||
    !allOf(attrs, ["number", "string", "boolean"])
  )
    return undefined;
  if (!Array.isArray(tensors) || !tensors.every((t): t is string => typeof t === "string")) return undefined;
  return {
    target: found,
    op,
    d: d as Dims,
    attrs: attrs as Attrs,
    tensors,
    tiles: tiles as Dims,
    ms: milliseconds(entry["ms"]),
    ownMs: milliseconds(entry["ownMs"]),
    workers: milliseconds(workers),
  };
}

/**
 * The tiles that a verb compiles with: those of `--tune FILE`; or those of the file beside the spec, when
 * this machine, engine and compiler measured them; or none with `--no-tune`. Prints one line about what it
 * took, or why it took nothing.
 */
export function tilesFor(spec: string, asked: TuneOptions, io: Io): ChosenTiles | undefined {
  if (!hasTuneFile(spec, asked, io)) return undefined;
  const { tune } = asked;
  const path = tune === undefined ? tunePath(spec, io) : resolve(io.cwd, tune);
  const { file, chosen } = readTuneFile(path, io);
  const shapes = counted(chosen.size, "shape");
  const machine = machineText(file.machine);
  if (sameMachine(file.machine, thisMachine())) {
    io.err(`tiles of ${path}: ${shapes}, measured on this machine\n`);
    return chosen;
  }
  if (tune !== undefined) {
    io.err(
      `tiles of ${path}: ${shapes}, measured elsewhere (${machine}): ` +
        "right here too, but perhaps not the fastest\n",
    );
    return chosen;
  }
  io.err(
    `note: ${path} is of another machine or version (${machine}) and left out; ` +
      `\`sinter tune\` measures here, --tune ${TUNE_FILE} takes it all the same\n`,
  );
  return undefined;
}
