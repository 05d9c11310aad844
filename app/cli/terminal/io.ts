/** The outside world, as the verbs see it. Tests pass in their own. */
import { resolve } from "node:path";

export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** A terminal is on the other side of `out`: colours, a live line. */
  readonly tty: boolean;
  /** Width of the terminal now. */
  readonly columns: number;
  /** Calls back whenever the terminal's width has changed; returns what ends that. */
  onResize?(changed: () => void): () => void;
  readonly cwd: string;
}

/** A path as the user meant it: relative to the folder in which the command was given. */
export const pathFrom = ({ cwd }: Io, path: string): string => resolve(cwd, path);

/** Says a line to people. */
export type Say = (line: string) => void;

/** Lines for people; beside JSON, which programs read, they go to standard error. */
export const sayer =
  (io: Io, json: boolean): Say =>
  (line) =>
    json ? io.err(`${line}\n`) : io.out(`${line}\n`);
