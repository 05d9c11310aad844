/**
 * Server-sent events. What is sent never waits for the client: the model goes on, and what the client has not
 * taken yet is kept (a text is bounded). A client that takes nothing for too long is cut off, since a
 * connection that is half closed neither fails nor drains.
 */
import { asApiError } from "./errors.ts";
import type { Call } from "./call.ts";

export class EventStream {
  readonly body: ReadableStream<Uint8Array>;
  /** Resolves with the first bytes. */
  readonly begun: Promise<void>;
  readonly #call: Call;
  readonly #pinging: NodeJS.Timeout;
  #begin = (): void => {};
  /** Events that the client has not taken yet. */
  #waiting = "";
  #hasBegun = false;
  #hasEnded = false;
  /** The client wants more, and is told so as soon as there is some. */
  #wake: (() => void) | undefined;
  #stalled: NodeJS.Timeout | undefined;

  constructor(call: Call) {
    this.#call = call;
    this.begun = new Promise((begin) => (this.#begin = begin));
    this.#pinging = setInterval(() => this.#write(": ping\n\n"), call.settings.pingMs);
    this.body = new ReadableStream(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          this.#end();
          clearTimeout(this.#stalled);
          call.giveUp();
        },
      },
      { highWaterMark: 0 },
    );
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  send(data: object): void {
    this.#pinging.refresh();
    this.#write(`data: ${JSON.stringify(data)}\n\n`);
  }

  /** `last`: what stands behind the last event, as OpenAI's "[DONE]". */
  done(last?: string): void {
    if (last !== undefined) this.#write(`data: ${last}\n\n`);
    this.#end();
  }

  /** Nothing was sent, and nothing will be. */
  abandon(): void {
    this.#hasEnded = true;
    clearInterval(this.#pinging);
  }

  /** After the first byte an error can only be an event. */
  fail(error: object): void {
    this.send(error);
    this.#end();
  }

  #write(text: string): void {
    if (this.#hasEnded) return;
    this.#hasBegun = true;
    this.#begin();
    this.#waiting += text;
    this.#expectClient();
  }

  #end(): void {
    this.#hasEnded = true;
    clearInterval(this.#pinging);
    this.#expectClient();
  }

  #expectClient(): void {
    if (this.#wake) this.#wake();
    else this.#stalled ??= setTimeout(() => this.#cutOff(), this.#call.settings.stallMs);
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    clearTimeout(this.#stalled);
    this.#stalled = undefined;
    if (this.#waiting === "" && !this.#hasEnded) {
      await new Promise<void>((wake) => (this.#wake = wake));
      this.#wake = undefined;
    }
    if (this.#waiting !== "") controller.enqueue(new TextEncoder().encode(this.#waiting));
    else if (this.#hasEnded) controller.close();
    this.#waiting = "";
  }

  #cutOff(): void {
    this.abandon();
    this.#call.giveUp();
    this.#call.cut();
  }
}

/**
 * A stream of what `work` sends. Until its first bytes, what goes wrong is thrown, so that it becomes an
 * answer with a status; afterwards it is an event.
 */
export async function streamed(
  call: Call,
  work: (send: (data: object) => void) => Promise<void>,
  last?: string,
): Promise<Response> {
  const events = new EventStream(call);
  const working = work((data) => events.send(data)).then(
    () => events.done(last),
    (cause: unknown) => {
      if (!events.hasBegun) {
        events.abandon();
        throw cause;
      }
      call.report(cause);
      events.fail(asApiError(cause).object);
    },
  );
  await Promise.race([events.begun, working]);
  return new Response(events.body, { headers: eventHeaders });
}

const eventHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  // nginx would keep the events back otherwise
  "x-accel-buffering": "no",
} as const;
