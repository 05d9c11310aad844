/** `sinter serve` as a program of its own, for studies, and a client of it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { sinterProgram } from "./run-verb.ts";

export interface ServedProgram {
  readonly url: string;
  readonly pid: number;
  end(): Promise<void>;
}

/** Starts it on a free port. `flags` are the verb's; what it says on standard error is said here. */
export async function startServer(path: string, flags: readonly string[]): Promise<ServedProgram> {
  const own = ["--port", "0", "--json", "--no-ui", "--log", "errors"];
  const child = spawn(process.execPath, [sinterProgram, "serve", path, ...own, ...flags], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout }); // stays open: the server ends when nobody listens
  const [line] = (await Promise.race([once(lines, "line"), ended])) as [unknown];
  if (typeof line !== "string") throw new Error("the server ended before its model was there");
  return {
    url: (JSON.parse(line) as { readonly url: string }).url,
    pid: child.pid!,
    async end() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

/** What is used of an event of POST /completion. */
export interface CompletionEvent {
  readonly content: string;
  readonly stop: boolean;
  readonly tokens_predicted?: number;
}

/** Asks for a stream, and reads it event by event. Throws where the answer is none. */
export async function* completionEvents(
  url: string,
  body: object,
  signal?: AbortSignal,
): AsyncGenerator<CompletionEvent> {
  const response = await fetch(`${url}/completion`, {
    method: "POST",
    headers: { connection: "close" }, // a client that was busy otherwise may find a kept one closed
    body: JSON.stringify({ ...body, stream: true }),
    ...(signal && { signal }),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text += piece;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const event = text.slice(0, end);
      text = text.slice(end + 2);
      if (!event.startsWith("data: {")) continue;
      const data = JSON.parse(event.slice("data: ".length)) as CompletionEvent | { readonly error: object };
      if ("error" in data) throw new Error(JSON.stringify(data.error));
      yield data;
    }
  }
}
