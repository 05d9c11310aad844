/** The messages between a page and the model's thread. */
import type { Target } from "../contract/targets.ts";
import type { LinkedBundle } from "../engine/linked-bundle.ts";
import { SinterError, type ExitKind } from "../base/errors.ts";
import type { Generated, GenerateOptions } from "../sample/generate.ts";

export interface OpenOptions {
  /**
   * A bundle that was imported; or the address of its folder, as `sinter compile` or a run has it, relative
   * to the page.
   */
  readonly bundle: string | LinkedBundle;
  /**
   * The address of the weights: a GGUF file, a safetensors file with config.json beside it, or the checkpoint
   * of a run.
   */
  readonly weights: string;
  /**
   * The address of a tokenizer's folder, which ends in "/", or of its file. Default: what the GGUF file
   * holds, else the folder tokenizer/ beside the bundle's, as in a run, or beside the weights.
   */
  readonly tokenizer?: string | undefined;
  /**
   * Threads, 1 to 64. Default: one for a small model or where the page is not isolated, else one for each
   * core.
   */
  readonly workers?: number | undefined;
  readonly target?: Target | undefined;
}

/** What is not given is as the spec says. */
export type PageGenerateOptions = Partial<Omit<GenerateOptions, "prompt" | "signal" | "session">>;

export interface ModelFacts {
  readonly name: string;
  readonly parameters: number;
  readonly context: number;
  readonly vocab: number;
  readonly target: Target;
  readonly workers: number;
  /** Why there are fewer workers, or another target, than one might expect. */
  readonly notes: readonly string[];
  readonly memoryBytes: number;
}

export type ToModel =
  | { readonly kind: "open"; readonly options: OpenOptions }
  | {
      readonly kind: "generate";
      readonly id: number;
      readonly prompt: string | readonly number[];
      readonly options: PageGenerateOptions;
    }
  | { readonly kind: "stop"; readonly id: number }
  | { readonly kind: "close" };

export type FromModel =
  | { readonly kind: "progress"; readonly loaded: number; readonly total: number }
  | { readonly kind: "open"; readonly facts: ModelFacts }
  | { readonly kind: "text"; readonly id: number; readonly text: string }
  | { readonly kind: "done"; readonly id: number; readonly result: Generated }
  /** Without an id: opening failed. */
  | { readonly kind: "failed"; readonly id?: number; readonly error: PlainError }
  | { readonly kind: "closed" };

/** An error as plain data, because errors lose their class between threads. */
export interface PlainError {
  readonly kind: Exclude<ExitKind, "ok">;
  readonly message: string;
  readonly hint: string | undefined;
}

export const plainError = (error: unknown): PlainError =>
  error instanceof SinterError
    ? { kind: error.kind, message: error.message, hint: error.hint }
    : { kind: "bug", message: String((error as Error)?.stack ?? error), hint: undefined };

export const sinterError = ({ kind, message, hint }: PlainError): SinterError =>
  new SinterError(kind, message, hint);
