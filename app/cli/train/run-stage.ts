/** A stage from the command line to the end of its run. */
import type { Stage } from "../../../compiler/2-check/stages.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import type { ExampleKind } from "../../../runtime/train/examples/example.ts";
import {
  previewOf,
  settingsOf,
  stagePlaces,
  withoutBlock,
  type StageOptions,
} from "../options/stage-options.ts";
import type { Io } from "../terminal/io.ts";
import { stageSpec } from "./stage-settings.ts";
import { prepareStage, reopenStage, type StageKind } from "./stage.ts";
import { startRun } from "./start.ts";

/** What stages learn from that have nothing built in. */
const needed: Readonly<Partial<Record<Stage, string>>> = {
  rl: "prompts",
};

/** `spec`: the one whose block counts. Returns the exit code. */
export async function runStage<S extends Stage, K extends ExampleKind, R>(
  kind: StageKind<S, K, R>,
  spec: string | undefined,
  asked: StageOptions,
  io: Io,
): Promise<number> {
  const { stage } = kind;
  const data = needed[stage];
  if (data && asked.data === undefined && !asked.resume)
    throw new SinterError("usage", `which ${data}?`, `sinter ${stage} --from RUN --data FILE`);
  const places = stagePlaces(stage, asked, spec, io);
  const settings = settingsOf(asked);
  const preview = previewOf(asked);
  return startRun(
    { ...asked, ...places },
    {
      prepare: (source) => {
        const block = stageSpec(stage, { spec, options: asked, settings }, source?.run, io);
        return prepareStage(kind, places.folder, block, { ...asked, preview }, io, source);
      },
      reopen: () => {
        if (asked.weights !== undefined)
          throw new SinterError("usage", "--weights begins a run, and this one goes on", "Leave it out.");
        const set = { ...withoutBlock(stage, asked), ...settings };
        return reopenStage(kind, places.folder, { ...asked, set }, io);
      },
    },
    io,
  );
}
