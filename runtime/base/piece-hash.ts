/**
 * SHA-256 of a long stream in pieces. For up to 4 MiB it is the plain hash; for more it is the hash of the
 * pieces' hashes, one after the other. So WebCrypto, which only hashes complete messages, never needs more
 * than one piece in memory. Where the host has an incremental hash (Node), nothing is copied.
 */
import { concat } from "./bytes.ts";
import { hexadecimal, sha256Bytes } from "../contract/sha256.ts";

/** An incremental SHA-256. */
export interface Digester {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

export const HASH_PIECE = 1 << 22;

export interface PieceHash {
  update(bytes: Uint8Array): Promise<void> | void;
  /** The hash in lower-case hexadecimal. */
  hex(): Promise<string>;
}

/** Starts a hash. `piece` is the size of a piece; Infinity gives the plain hash of everything. */
export function pieceHash(start: (() => Digester) | undefined, piece = HASH_PIECE): PieceHash {
  const done: Uint8Array[] = [];
  const current = start ? started(start) : collected();
  let filled = 0;
  const finish = async (): Promise<void> => {
    done.push(await current.finish());
    filled = 0;
  };
  const take = async (bytes: Uint8Array): Promise<void> => {
    for (let at = 0; at < bytes.length;) {
      if (filled === piece) await finish();
      const n = Math.min(bytes.length - at, piece - filled);
      current.add(bytes.subarray(at, at + n));
      filled += n;
      at += n;
    }
  };
  return {
    update(bytes) {
      if (filled + bytes.length > piece) return take(bytes);
      current.add(bytes);
      filled += bytes.length;
    },
    async hex() {
      if (filled > 0 || done.length === 0) await finish();
      return hexadecimal(done.length === 1 ? done[0]! : await sha256Bytes(concat(done)));
    },
  };
}

function started(start: () => Digester) {
  let digester = start();
  return {
    add: (bytes: Uint8Array): void => digester.update(bytes),
    async finish(): Promise<Uint8Array> {
      const out = digester.digest();
      digester = start();
      return out;
    },
  };
}

function collected() {
  let parts: Uint8Array[] = [];
  return {
    // a copy, since the caller may reuse its buffer
    add: (bytes: Uint8Array): void => void parts.push(bytes.slice()),
    finish(): Promise<Uint8Array> {
      const whole = concat(parts);
      parts = [];
      return sha256Bytes(whole);
    },
  };
}
