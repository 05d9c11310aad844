/** Compiled kernels in memory, as a development server has them: /@sinter/SHA-256/infer.simd.wasm. */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

/** So many are held: those of the last edits, which a page may still ask for. */
const HELD = 64;
const PATH = /\/@sinter\/([0-9a-f]{64})\/[^/?]+\.wasm(?:\?|$)/;

export class ServedKernels {
  /** By their hash, the oldest first. */
  readonly #held = new Map<string, Uint8Array>();

  /** Returns the path, which begins without a slash. */
  add(file: string, wasm: Uint8Array): string {
    const hash = createHash("sha256").update(wasm).digest("hex");
    this.#held.delete(hash);
    this.#held.set(hash, wasm);
    const [oldest] = this.#held.keys();
    if (this.#held.size > HELD) this.#held.delete(oldest!);
    return `@sinter/${hash}/${file}`;
  }

  /** Middleware that answers for what is held. */
  readonly answer = ({ url = "" }: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const wasm = this.#held.get(PATH.exec(url)?.[1] ?? "");
    if (!wasm) return next();
    response.setHeader("Content-Type", "application/wasm");
    response.setHeader("Content-Length", wasm.length);
    response.setHeader("Cache-Control", "max-age=31536000,immutable");
    response.end(wasm);
  };
}
