/** The thread in which specs are compiled: a server goes on answering meanwhile. */
import { parentPort, workerData } from "node:worker_threads";
import { useKernelCache } from "../../compiler/9-bundle/kernel-cache.ts";
import { kernelCacheWhenAsked } from "../cli/terminal/kernel-folder.ts";
import { compileSpec, type Asked, type Compiled } from "./compile-spec.ts";

export interface ThreadData {
  /** Where compiled kernels are kept; undefined: nowhere. */
  readonly kernels: string | undefined;
}

export interface Question {
  readonly id: number;
  readonly asked: Asked;
}

/** `failed`: a bug, with its stack. */
export type Answer = { readonly id: number } & (
  | { readonly compiled: Compiled }
  | { readonly failed: string }
);

const { kernels } = workerData as ThreadData;
if (kernels !== undefined) useKernelCache(kernelCacheWhenAsked(kernels));

parentPort!.on("message", async ({ id, asked }: Question) => {
  const answer = await compileSpec(asked).then(
    (compiled): Answer => ({ id, compiled }),
    (error: Error): Answer => ({ id, failed: error.stack ?? String(error) }),
  );
  parentPort!.postMessage(answer);
});
