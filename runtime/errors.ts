/** Errors that a user can cause or meet: one clear message, a hint, an exit code. Anything else that is thrown is a bug of ours. */
export const exitCodes = { ok: 0, input: 1, usage: 2, corrupt: 3, memory: 4, interrupted: 5, bug: 70 } as const;
export type ExitKind = keyof typeof exitCodes;

export class SinterError extends Error {
  readonly kind: Exclude<ExitKind, "ok">;
  /** What to do about it. */
  readonly hint: string | undefined;
  constructor(kind: Exclude<ExitKind, "ok">, message: string, hint?: string) {
    super(message);
    this.name = "SinterError";
    this.kind = kind;
    this.hint = hint;
  }
}
