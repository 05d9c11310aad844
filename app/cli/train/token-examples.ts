/**
 * The examples of a run after pre-training in token ids, a line of JSON for each: what an exported program
 * fine-tunes with. Rows stand in the order of the file; the program draws from them as Sinter does.
 */
import { SinterError } from "../../../runtime/base/errors.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { readReference } from "../../../runtime/store/reference-file.ts";
import type { Run } from "../../../runtime/store/run-folder.ts";
import type { ReferenceRows } from "../../../runtime/train/sources/answer-source.ts";
import { rowCount, type LearntRows } from "../../../runtime/train/sources/learnt-rows.ts";
import { programObjectives } from "../../../compiler/torch/objectives-py.ts";
import type { TokenExamples } from "../runs/export-torch.ts";
import type { Io } from "../terminal/io.ts";
import { askedOf, keyOf, preferStage, readsReference } from "./prefer.ts";
import { sftStage } from "./sft.ts";
import { withEncoded } from "./stage.ts";

interface Asked {
  /** The file that the run began with; undefined: where it was. */
  readonly data: string | undefined;
  readonly json: boolean;
}

/** Undefined: it learns from a text. Throws SinterError "input" where a program can not do as the run. */
export async function tokenExamples(
  run: Run,
  { data, json }: Asked,
  io: Io,
): Promise<TokenExamples | undefined> {
  const asked = { data, eval: undefined, json };
  switch (run.record.stage?.stage) {
    case undefined:
      return undefined;
    case "sft":
      return withEncoded(sftStage, run, asked, io, async ({ encoded: { train }, settings }) => ({
        objective: "sft",
        packed: settings.packing === "best_fit",
        lines: rowsOf(train).map((row) => JSON.stringify(row)),
      }));
    case "prefer":
      return preferences(run, asked, io);
    default:
      throw notThere(`sinter ${run.record.stage!.stage}`);
  }
}

async function preferences(
  run: Run,
  asked: Asked & { readonly eval: undefined },
  io: Io,
): Promise<TokenExamples> {
  const { model } = run.bundle.manifest;
  const objective = model.prefer!.objective.name;
  if (!programObjectives(model).some(({ name }) => name === objective)) throw notThere(objective);
  return withEncoded(preferStage, run, asked, io, async ({ encoded }) => {
    const key = await keyOf(run, askedOf(encoded));
    const said = readsReference(run) ? await readReference(nodeFiles(), run.folder, key) : undefined;
    const rows = rowsOf(encoded.train.rows, said?.["train"]);
    const pairs = Array.from({ length: rows.length / 2 }, (_, i) => ({
      chosen: rows[2 * i],
      rejected: rows[2 * i + 1],
    }));
    return { objective, packed: false, lines: pairs.map((pair) => JSON.stringify(pair)) };
  });
}

const notThere = (what: string): SinterError =>
  new SinterError(
    "input",
    `${what} is not among what an exported program does`,
    "It fine-tunes (sft), and learns from pairs of answers (dpo, ipo, simpo …).",
  );

interface Row {
  readonly tokens: readonly number[];
  /** −1: not counted. */
  readonly targets: readonly number[];
  /** ln p of each target by the reference. */
  readonly reference?: readonly number[];
}

const rowsOf = (rows: LearntRows, reference?: ReferenceRows): Row[] =>
  Array.from({ length: rowCount(rows) }, (_, i) => {
    const [from, to] = [rows.starts[i]!, rows.starts[i + 1]!];
    return {
      tokens: [...rows.tokens.subarray(from, to)],
      targets: [...rows.targets.subarray(from, to)],
      ...(reference && { reference: [...reference.subarray(from, to)] }),
    };
  });
