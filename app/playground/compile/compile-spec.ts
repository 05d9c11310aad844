/** Compiles a spec in a thread that is started for it and ended with it. */
import type { Bundle } from "../../../runtime/engine/bundle.ts";
import { callThread } from "../page/thread-call.ts";
import type { CompileCalls, CompileProgress, SpecToCompile } from "./compile-thread.ts";

export interface Compiling {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: CompileProgress) => void) | undefined;
}

/** Rejects as the thread does (compile-thread.ts), or with the signal's reason. */
export async function compileSpec(
  spec: SpecToCompile,
  { signal, onProgress = () => {} }: Compiling = {},
): Promise<Bundle> {
  const thread = callThread<CompileCalls>(
    new Worker(new URL("./compile-thread.ts", import.meta.url), { type: "module", name: "compiler" }),
  );
  try {
    return await thread.call("compile", spec, { signal, onReport: onProgress });
  } finally {
    thread.end();
  }
}
