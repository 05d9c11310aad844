/**
 * Typed calls to a thread. In the thread:
 *
 *     const calls = { count: (text: string, { signal, report }: Call<number>) => … };
 *     export type Calls = typeof calls;
 *     serveCalls(calls);
 *
 * On the page:
 *
 *     const worker = new Worker(new URL("./thread.ts", import.meta.url), { type: "module" });
 *     const thread = callThread<Calls>(worker);
 *     await thread.call("count", text, { signal, onReport: (done) => … });
 *     thread.end();
 *
 * Calls run side by side; a thread whose calls have to wait for each other lets them wait itself. Errors keep
 * their kind, message and hint.
 */
import { plainError, sinterError, type PlainError } from "../../../runtime/browser/messages.ts";
import { SinterError } from "../../../runtime/base/errors.ts";

/** What a thread knows of one call. */
export interface Call<Report = never> {
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** Tells the caller how far it is. */
  report(report: Report): void;
  /** Moves memory with the answer instead of copying it. */
  transfer(...memory: readonly Transferable[]): void;
}

export type Calls = Readonly<Record<string, (argument: never, call: Call<never>) => unknown>>;

type ArgumentOf<F> = F extends () => unknown
  ? void
  : F extends (argument: infer A, ...rest: never[]) => unknown
    ? A
    : never;
type ReportOf<F> = F extends (argument: never, call: Call<infer R>) => unknown ? R : never;
type AnswerOf<F> = F extends (...all: never[]) => infer R ? Awaited<R> : never;

export interface CallOptions<Report> {
  readonly signal?: AbortSignal | undefined;
  readonly onReport?: (report: Report) => void;
  readonly transfer?: readonly Transferable[];
}

export interface Thread<C> {
  /** Rejects with what the thread threw, or with the signal's reason. */
  call<Name extends keyof C & string>(
    name: Name,
    argument: ArgumentOf<C[Name]>,
    options?: CallOptions<ReportOf<C[Name]>>,
  ): Promise<AnswerOf<C[Name]>>;
  /** Ends the thread, and with it all that it holds. Calls that are waiting fail. */
  end(): void;
}

type ToThread =
  | { readonly kind: "call"; readonly id: number; readonly name: string; readonly argument: unknown }
  | { readonly kind: "cancel"; readonly id: number };

type FromThread =
  | { readonly kind: "report"; readonly id: number; readonly report: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly error: PlainError };

/** Answers calls in a thread. */
export function serveCalls(calls: Calls): void {
  const running = new Map<number, AbortController>();
  const say = (message: FromThread, transfer: readonly Transferable[] = []): void =>
    postMessage(message, { transfer: [...transfer] });
  addEventListener("message", async ({ data }: MessageEvent<ToThread>) => {
    const { id } = data;
    if (data.kind === "cancel") return running.get(id)?.abort();
    const stop = new AbortController();
    const moved: Transferable[] = [];
    running.set(id, stop);
    try {
      const answer = await calls[data.name]!(data.argument as never, {
        signal: stop.signal,
        report: (report: unknown) => say({ kind: "report", id, report }),
        transfer: (...memory) => void moved.push(...memory),
      });
      say({ kind: "answer", id, answer }, moved);
    } catch (error) {
      say({ kind: "failed", id, error: plainError(error) });
    } finally {
      running.delete(id);
    }
  });
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: unknown): void;
  readonly onReport?: ((report: never) => void) | undefined;
}

/** Calls a thread that serves `C`. */
export function callThread<C>(worker: Worker): Thread<C> {
  const waiting = new Map<number, Waiting>();
  let last = 0;
  const post = (message: ToThread, transfer: readonly Transferable[] = []): void =>
    worker.postMessage(message, [...transfer]);
  const failAll = (error: SinterError): void => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.addEventListener("message", ({ data }: MessageEvent<FromThread>) => {
    const asked = waiting.get(data.id);
    if (data.kind === "report") return asked?.onReport?.(data.report as never);
    waiting.delete(data.id);
    if (data.kind === "answer") asked?.resolve(data.answer);
    else asked?.reject(sinterError(data.error));
  });
  worker.addEventListener("error", ({ message }) =>
    failAll(
      new SinterError("bug", `a thread of the page has failed: ${message || "it could not be loaded"}`),
    ),
  );
  return {
    call(name, argument, { signal, onReport, transfer } = {}) {
      if (signal?.aborted) return Promise.reject(signal.reason);
      const id = last++;
      const { promise, resolve, reject } = Promise.withResolvers<never>();
      const cancel = (): void => {
        if (!waiting.delete(id)) return;
        post({ kind: "cancel", id });
        reject(signal!.reason);
      };
      const settled = (): void => signal?.removeEventListener("abort", cancel);
      promise.then(settled, settled);
      signal?.addEventListener("abort", cancel, { once: true });
      waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject, onReport });
      post({ kind: "call", id, name, argument }, transfer);
      return promise;
    },
    end() {
      worker.terminate();
      failAll(new SinterError("interrupted", "the thread was ended"));
    },
  };
}
