/**
 * Reads what a wasm module says of its memory, from the bytes (WebAssembly core specification, section 5.5:
 * a module is a list of sections, each with its id and its length).
 */

/** Bytes of constants that a module writes into its memory when it is instantiated. */
export interface DataRange {
  readonly from: number;
  readonly to: number;
}

const ids = { import: 2, data: 11 } as const;
const kinds = { function: 0, memory: 2, global: 3 } as const;
const I32_CONST = 0x41;

class Reader {
  at: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  byte(): number {
    return this.#bytes[this.at++]!;
  }

  /** A number in LEB128, seven bits in each byte; none that is read here is negative. */
  count(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
  }

  /** A length, and so many bytes. */
  skip(): void {
    const length = this.count(); // first: it moves `at` itself
    this.at += length;
  }
}

/** A reader at the first byte of the section's contents; undefined: the module has no such section. */
function section(wasm: Uint8Array, wanted: number): Reader | undefined {
  const reader = new Reader(wasm, 8); // past magic and version
  while (reader.at < wasm.length) {
    const id = reader.byte();
    if (id === wanted) {
      reader.count();
      return reader;
    }
    reader.skip();
  }
  return undefined;
}

/** The offset of the byte with the limits flags of the first memory that is imported. */
export function memoryFlagOffset(wasm: Uint8Array): number {
  const reader = section(wasm, ids.import);
  for (let left = reader?.count() ?? 0; reader && left > 0; left--) {
    reader.skip(); // module
    reader.skip(); // field
    const kind = reader.byte();
    if (kind === kinds.memory) return reader.at;
    if (kind === kinds.function) reader.count(); // its type
    else if (kind === kinds.global) reader.at += 2; // type, mutability
    else throw new Error(`unexpected import kind ${kind}`);
  }
  throw new Error("the module imports no memory");
}

/** Where constants lie in memory. */
export function staticData(wasm: Uint8Array): DataRange[] {
  const reader = section(wasm, ids.data);
  const ranges: DataRange[] = [];
  for (let left = reader?.count() ?? 0; reader && left > 0; left--) {
    const flags = reader.count();
    if (flags !== 0 || reader.byte() !== I32_CONST) throw new Error("static data of an unknown kind");
    const from = reader.count();
    reader.at++; // the end of the expression
    const length = reader.count();
    reader.at += length;
    ranges.push({ from, to: from + length });
  }
  return ranges;
}
