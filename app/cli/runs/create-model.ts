/** A model on this machine; whoever may run out of memory is told so before it is taken. */
import type { ModuleName } from "../../../runtime/contract/manifest.ts";
import { moduleOf, type Bundle } from "../../../runtime/engine/bundle.ts";
import { workersFor } from "../../../runtime/engine/choose-workers.ts";
import { neededMemory, scarceText, workText } from "../../../runtime/engine/machine-memory.ts";
import { createModel, type ModelOptions, type RunningModel } from "../../../runtime/engine/model.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import type { Io } from "../terminal/io.ts";

export function createModelHere(
  bundle: Bundle,
  name: ModuleName,
  options: Omit<ModelOptions, "host">,
  io: Io,
): Promise<RunningModel> {
  const { use = name } = options;
  const module = moduleOf(bundle, name);
  const workers = workersFor(module, nodeHost, options.workers ?? nodeHost.workers);
  const needed = neededMemory(module, name, workers, use);
  const what = workText(bundle.manifest.model.name, use);
  const scarce = scarceText(what, needed, nodeHost.machineMemory());
  if (scarce) io.err(`note: ${scarce}\n`);
  return createModel(bundle, name, { ...options, host: nodeHost });
}
