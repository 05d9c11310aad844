/**
 * Errors that a user can cause or meet: a clear message, a hint, an exit code. Anything else that is thrown
 * is a bug of Sinter's.
 */
export const exitCodes = {
  ok: 0,
  input: 1,
  usage: 2,
  corrupt: 3,
  memory: 4,
  interrupted: 5,
  bug: 70,
  closed: 141,
} as const;
export type ExitKind = keyof typeof exitCodes;

interface ExitMeaning {
  readonly code: number;
  readonly short: string;
  readonly means: string;
}

/** The table of exit codes, for help and documentation. */
const meanings = {
  ok: ["done", "what was asked for was done"],
  input: [
    "input",
    "something that was given can not be used: a file, a text, a spec with errors, a full disk; the " +
      "message says what and where",
  ],
  usage: ["usage", "the command line is not understood"],
  corrupt: ["damaged", "a file is damaged, or not what it says it is"],
  memory: ["memory", "there is not enough memory"],
  interrupted: [
    "stopped",
    "stopped by a signal, or because nobody reads the output any more; a training run has saved and " +
      "goes on with --resume",
  ],
  bug: ["a bug", "a bug of Sinter's"],
  closed: [
    "output closed",
    "whoever read the output has closed it (sinter … | head -1), and there was nothing to save",
  ],
} as const satisfies Record<ExitKind, readonly [short: string, means: string]>;

export const exitMeanings: readonly ExitMeaning[] = (Object.keys(exitCodes) as ExitKind[]).map((kind) => {
  const [short, means] = meanings[kind];
  return { code: exitCodes[kind], short, means };
});

export class SinterError extends Error {
  readonly kind: Exclude<ExitKind, "ok">;
  /** What the user can do about it. */
  readonly hint: string | undefined;
  constructor(kind: Exclude<ExitKind, "ok">, message: string, hint?: string) {
    super(message);
    this.name = "SinterError";
    this.kind = kind;
    this.hint = hint;
  }
}
