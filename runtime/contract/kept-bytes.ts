/**
 * Bytes that were made once, and need not be made again: compiled kernels, bundles, findings. A name says all
 * that the bytes depend on. Where they are kept is the host's matter: the command line has a folder for them
 * (app/cli/terminal/kernel-folder.ts), a page has none.
 */
export interface KeptBytes {
  /** What was kept under the name; undefined: nothing, or nothing whole. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Does nothing where it cannot be kept: it would only have saved time. */
  write(name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
}
