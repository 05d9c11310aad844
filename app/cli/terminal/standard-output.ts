/**
 * What happens to all verbs alike when standard output goes away or is full.
 *
 * A reader that has seen enough (`| head -1`) closes the pipe: the verb stops silently, but not with exit
 * code 0, since its work is not done. A verb that handles SIGTERM (training, which saves; import, which
 * cleans up) is stopped as by that signal. A full disk is reported on standard error.
 */
import { exitCodes } from "../../../runtime/base/errors.ts";
import { causeOf, isHeard } from "./files.ts";

export interface StandardOutput {
  write(text: string): void;
  /** Waits until everything is written. Returns the exit code that is right then. */
  settle(code: number): Promise<number>;
}

/** What happened to the output. */
type Failure = "closed" | "full";
const codeOf = { closed: exitCodes.closed, full: exitCodes.input } as const satisfies Record<Failure, number>;

/** What Node calls an output that nobody reads any more. */
const closings: readonly unknown[] = ["EPIPE", "ECONNRESET", "ERR_STREAM_DESTROYED"];

export function standardOutput(stream: NodeJS.WriteStream, say: (text: string) => void): StandardOutput {
  let failure: Failure | undefined;
  const failed = (error: NodeJS.ErrnoException): void => {
    if (failure !== undefined) return;
    failure = closings.includes(error.code) ? "closed" : "full";
    if (failure === "full") say(`error: cannot write to standard output: ${causeOf(error)}\n`);
    if (!isHeard("SIGTERM")) process.exit(codeOf[failure]);
    if (failure === "closed") say("note: nobody reads the output any more: stopping, as at SIGTERM\n");
    process.kill(process.pid, "SIGTERM");
  };
  stream.on("error", failed);
  return {
    write(text) {
      if (failure !== undefined) return;
      try {
        stream.write(text);
      } catch (error) {
        failed(error as NodeJS.ErrnoException);
      }
    },
    async settle(code) {
      if (failure === undefined) await flushed(stream);
      return failure !== undefined && code === exitCodes.ok ? codeOf[failure] : code;
    },
  };
}

/** What was written to a pipe must arrive before the process ends. */
export const flushed = (stream: NodeJS.WriteStream): Promise<void> =>
  new Promise((done) => void (stream.destroyed ? done() : stream.write("", () => done())));
