/**
 * Names what computes: the release, the WebAssembly, and the weights as they lie in memory. The same name
 * gives the same text for the same request, on every machine (target `simd`).
 */
import { createHash } from "node:crypto";
import { COMPILER_VERSION } from "../../../compiler/9-bundle/version.ts";
import { codeOf } from "../../../runtime/contract/manifest.ts";
import type { RunningModel } from "../../../runtime/engine/model.ts";

export interface Weighed {
  readonly fingerprint: string;
  /** Of all parameters, in memory. */
  readonly weightsBytes: number;
}

export function weigh(model: RunningModel): Weighed {
  const hash = createHash("sha256").update(COMPILER_VERSION);
  for (const { wasm } of codeOf({ infer: model.module })) hash.update(wasm[model.target]!.sha256);
  let weightsBytes = 0;
  for (const tensor of model.of("parameter"))
    for (let slice = 0; slice < tensor.place.slices; slice++) {
      const { buffer, byteOffset, byteLength } = tensor.padded(slice);
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
      weightsBytes += byteLength;
    }
  return { fingerprint: `fp_${hash.digest("hex").slice(0, DIGITS)}`, weightsBytes };
}

const DIGITS = 16;
