/** SHA-256 (FIPS 180-4) by the platform's WebCrypto, as lower-case hexadecimal. */
export async function sha256(bytes: Uint8Array<ArrayBufferLike> | string): Promise<string> {
  const plain = typeof bytes === "string" ? new TextEncoder().encode(bytes) : ownBuffer(bytes);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", plain));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** WebCrypto refuses views of shared memory. */
const ownBuffer = (bytes: Uint8Array<ArrayBufferLike>): Uint8Array<ArrayBuffer> =>
  bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
