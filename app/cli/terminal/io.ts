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
