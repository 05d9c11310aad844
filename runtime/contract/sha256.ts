/** SHA-256 (FIPS 180-4) by the platform's WebCrypto. */
export async function sha256(bytes: Uint8Array<ArrayBufferLike> | string): Promise<string> {
  return hexadecimal(await sha256Bytes(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes));
}

export const sha256Bytes = async (bytes: Uint8Array<ArrayBufferLike>): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", ownBuffer(bytes)));

/** Bytes in lower-case hexadecimal. */
export const hexadecimal = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** A copy where the memory is shared, since WebCrypto refuses views of shared memory. */
const ownBuffer = (bytes: Uint8Array<ArrayBufferLike>): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
