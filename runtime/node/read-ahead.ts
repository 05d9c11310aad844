/**
 * A file that is about to be read, brought into the system's cache by another thread, while this one makes
 * and checks the model that it is for.
 */
import { statSync } from "node:fs";
import { sideThread } from "./side-thread.ts";

/** A smaller file is read before a thread is there. */
const WORTH_A_THREAD = 128 * 2 ** 20;

/** Resolves when it is there, or cannot be read, which nobody has to wait for. */
export async function readAhead(path: string, least = WORTH_A_THREAD): Promise<void> {
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (bytes < least) return;
  await sideThread(new URL("./read-ahead-thread.ts", import.meta.url), path, "sinter reads ahead");
}
