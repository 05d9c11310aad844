/**
 * What a stage after pre-training is told: the model of the run that it begins from, and the stage's block
 * from the spec that is named, else from the run's own spec, else as the defaults say.
 */
import { checkSource, type Checked } from "../../../compiler/2-check/check.ts";
import { stageFields, type Stage } from "../../../compiler/2-check/stages.ts";
import { renderAll } from "../../../compiler/diagnostics/render.ts";
import { hasErrors } from "../../../compiler/diagnostics/report.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import { checkOptions, readSpec, type SpecOptions } from "../options/spec.ts";
import type { Io } from "../terminal/io.ts";

export interface StageSpec<S extends Stage> {
  /** The model, before its vocabulary grows. */
  readonly model: Model;
  readonly settings: NonNullable<Model[S]>;
  /** The text of the model's spec, and its path. */
  readonly source: string;
  readonly path: string;
  /** Where the settings came from: "runs/base/spec.sinter", "the defaults". */
  readonly block: string;
}

export interface StageAsked {
  /** The spec that is named; undefined: none. */
  readonly spec: string | undefined;
  readonly options: SpecOptions;
  /** Settings of the block that have options of their own, by name. */
  readonly settings: Readonly<Record<string, string>>;
}

/** `from`: the run that it begins from; undefined: the model is that of the spec, and begins anew. */
export function stageSpec<S extends Stage>(
  stage: S,
  { spec, options, settings }: StageAsked,
  from: Run | undefined,
  io: Io,
): StageSpec<S> {
  const chosen = checkOptions(options);
  const set = { ...inBlock(stage, chosen.set ?? {}, from !== undefined), ...prefixed(stage, settings) };
  const named = spec === undefined ? [] : [readStage(stage, { path: spec, set, name: chosen.model }, io)];
  const own = from && { path: `${from.folder}/spec.sinter`, set, name: from.record.model };
  const read = own ? [...named, readStage(stage, own, io)] : named;
  const home = read.at(-1)!; // the spec of the model itself
  const used = read.find(({ said }) => said) ?? home;
  return {
    model: from ? from.bundle.manifest.model : home.checked,
    settings: used.checked[stage]!,
    source: home.text,
    path: home.path,
    block: used.said ? used.path : "the defaults",
  };
}

type Set = Readonly<Record<string, string>>;

interface ReadStage {
  readonly path: string;
  readonly text: string;
  readonly checked: Model;
  /** Whether the text has a block of this stage. */
  readonly said: boolean;
}

interface SpecToRead {
  readonly path: string;
  readonly set: Set;
  /** The model's name; undefined: the first of the file. */
  readonly name: string | undefined;
}

function readStage(stage: Stage, { path, set, name }: SpecToRead, io: Io): ReadStage {
  const text = readSpec(path, io);
  const model = name === undefined ? {} : { model: name };
  const checked = checkSource(text, { set, stages: [stage], ...model });
  show(checked, path, text, io);
  const [first] = checked.models;
  if (hasErrors(checked.diagnostics)) throw new SinterError("input", `${path} has errors`);
  if (!first) throw new SinterError("input", `${path} holds no model`);
  const said = checkSource(text, model).models.find((m) => m.name === first.name)?.[stage] !== undefined;
  return { path, text, checked: first, said };
}

function show({ diagnostics }: Checked, path: string, text: string, io: Io): void {
  const columns = Math.max(40, Math.min(io.columns - 8, 120));
  if (diagnostics.length > 0)
    io.err(renderAll(diagnostics, { name: path, text }, { colour: io.tty, columns }));
}

const prefixed = (stage: Stage, settings: Set): Record<string, string> =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [`${stage}.${name}`, value]));

/**
 * `--set` of the block: `lr=1e-4` means `sft.lr=1e-4`. Sizes of a model that has its weights already can not
 * change.
 */
function inBlock(stage: Stage, set: Set, hasWeights: boolean): Record<string, string> {
  return Object.fromEntries(
    Object.entries(set).map(([name, value]) => {
      if (name.startsWith(`${stage}.`)) return [name, value];
      if (Object.hasOwn(stageFields[stage], name) || name.startsWith("lora."))
        return [`${stage}.${name}`, value];
      if (!hasWeights) return [name, value];
      throw new SinterError(
        "usage",
        `--set ${name}=${value}: with --from, the model is that of the run`,
        `Settings of the block may change: ${Object.keys(stageFields[stage]).join(", ")}, lora.rank …`,
      );
    }),
  );
}
