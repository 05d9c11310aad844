/** The thread's side of bounded-worker.ts: it answers one question after the other. */
import { workerData } from "node:worker_threads";
import type { BoundedAnswer, BoundedData } from "./bounded-worker.ts";

export function serveBounded<Q, A>(answer: (question: Q) => A): void {
  const { port, answered } = workerData as BoundedData;
  port.onmessage = ({ data }: MessageEvent<Q>) => {
    let said: BoundedAnswer<A>;
    try {
      said = { answer: answer(data) };
    } catch (cause) {
      said = { error: cause instanceof Error ? cause.message : String(cause) };
    }
    port.postMessage(said);
    Atomics.add(answered, 0, 1);
    Atomics.notify(answered, 0);
  };
}
