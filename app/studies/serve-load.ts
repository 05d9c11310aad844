/**
 * npm run study -- serve-load [MODEL] [--requests 10000] [--streams 64] [--disconnects 1000] [--seed 1]
 *
 * What `sinter serve` promises under load, asked of a program of its own through HTTP; MODEL is a run or a
 * published file (default: stories260K of ../shared).
 *
 *   streams       so many at once on 32 lanes, half of them waiting: each is byte for byte what it was alone;
 *                 and with the defaults, those beyond lanes and queue get 503 and Retry-After
 *   disconnects   so many clients that go at random moments: then all lanes are free again, and the next
 *                 text is the one that it was before. Requests that a busy server has not read yet are begun
 *                 before it hears that their clients have gone, one by one; how long that takes is said
 *   requests      so many, sixteen at a time: the memory of the program (its own /metrics) after each
 *                 twentieth of them stays within ± 5 %; half as many before them do not count, in which
 *                 V8's heap gets its size
 *
 * Exits with 1 where one of them does not hold.
 */
import { parseArgs } from "node:util";
import { thousands } from "../../runtime/contract/amounts.ts";
import { randomStream, type Random } from "../../runtime/base/random.ts";
import { completionEvents, startServer } from "./served-program.ts";

const {
  values: o,
  positionals: [path = "../shared/data/checkpoints/stories260K/stories260K.gguf"],
} = parseArgs({
  allowPositionals: true,
  options: {
    requests: { type: "string", default: "10000" },
    streams: { type: "string", default: "64" },
    disconnects: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
  },
});
const random = randomStream(Number(o.seed), "load");
const PARALLEL = 32;
const DEFAULT_ASKS = 4 + 32; // lanes and queue
const AT_ONCE = 16;
/** The longest moment after which a client goes, in milliseconds. */
const GOES_MS = 60;
/** Until a lane counts as lost. */
const MOST_MS = 60_000;
const PIECES = 20;
/** Requests before those that count, as a part of them. */
const WARM_UP = 0.5;

function expectThat(holds: boolean, what: string): void {
  console.log(`${holds ? "ok     " : "FAILED "} ${what}`);
  if (!holds) process.exitCode = 1;
}

const words = ["Once", "a little", "dog", "said", "the", "sun", "and", "very", "happy", "One day"];
/** A text to ask for, drawn from its seed; no two are alike. */
const askedOf = (draw: Random, seed: number): object => ({
  prompt: Array.from({ length: 1 + draw.below(40) }, () => words[draw.below(words.length)]).join(" "),
  n_predict: 1 + draw.below(80),
  temperature: 1,
  seed,
});

async function streamed(url: string, body: object, signal?: AbortSignal): Promise<string> {
  let text = "";
  for await (const event of completionEvents(url, body, signal)) text += event.content;
  return text;
}

async function streams(count: number): Promise<void> {
  const asked = Array.from({ length: count }, (_, i) => askedOf(random, i));
  const server = await startServer(path, ["--parallel", `${PARALLEL}`, "--queue", `${count}`]);
  try {
    const alone: string[] = [];
    for (const body of asked) alone.push(await streamed(server.url, body));
    const together = await Promise.all(asked.map((body) => streamed(server.url, body)));
    const same = together.filter((text, i) => text === alone[i]).length;
    expectThat(
      same === count,
      `${same} of ${count} streams at once on ${PARALLEL} lanes are what they are alone`,
    );
  } finally {
    await server.end();
  }
}

async function surplus(count: number): Promise<void> {
  const server = await startServer(path, []);
  try {
    const body = { prompt: "Once", n_predict: -1, ignore_eos: true };
    const answers = await Promise.all(
      Array.from({ length: count }, async () => {
        const response = await fetch(`${server.url}/completion`, {
          method: "POST",
          body: JSON.stringify(body),
        });
        await response.text();
        return response.status === 503
          ? `503, Retry-After ${response.headers.has("retry-after")}`
          : response.status;
      }),
    );
    const refused = answers.filter((answer) => answer === "503, Retry-After true").length;
    const served = answers.filter((answer) => answer === 200).length;
    expectThat(
      refused === count - DEFAULT_ASKS && served === DEFAULT_ASKS,
      `with the defaults, of ${count} at once ${served} are served and ${refused} get 503 with Retry-After`,
    );
  } finally {
    await server.end();
  }
}

interface Slot {
  readonly is_processing: boolean;
}

async function disconnects(count: number): Promise<void> {
  const server = await startServer(path, ["--slots"]);
  try {
    const body = askedOf(randomStream(1, "before"), 1);
    const before = await streamed(server.url, body);
    let left = count;
    let read = 0;
    const client = async (): Promise<void> => {
      while (left-- > 0) {
        const stop = AbortSignal.timeout(random.below(GOES_MS));
        const long = { ...askedOf(random, left), n_predict: -1, ignore_eos: true };
        await streamed(server.url, long, stop).then(
          () => read++,
          () => {},
        );
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, client));
    const began = performance.now();
    const isIdle = async (): Promise<boolean> => {
      const slots = (await (await fetch(`${server.url}/slots`)).json()) as readonly Slot[];
      return slots.every((slot) => !slot.is_processing);
    };
    while (!(await isIdle()) && performance.now() - began < MOST_MS);
    const ms = performance.now() - began;
    expectThat(
      ms < MOST_MS,
      `${count} clients gone (${read} had read all): lanes free after ${ms.toFixed(0)} ms`,
    );
    expectThat((await streamed(server.url, body)) === before, "the next text is the one that it was before");
  } finally {
    await server.end();
  }
}

async function residentBytes(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)![1]);
}

async function requests(count: number): Promise<void> {
  const server = await startServer(path, ["--parallel", `${AT_ONCE}`, "--metrics"]);
  try {
    const askMany = async (many: number): Promise<void> => {
      let left = many;
      const client = async (): Promise<void> => {
        while (left-- > 0) await streamed(server.url, { ...askedOf(random, left), n_predict: 16 });
      };
      await Promise.all(Array.from({ length: AT_ONCE }, client));
    };
    const bytes: number[] = [];
    await askMany(Math.round(count * WARM_UP));
    const began = performance.now();
    for (let piece = 0; piece < PIECES; piece++) {
      await askMany(Math.round(count / PIECES));
      bytes.push(await residentBytes(server.url));
    }
    const seconds = (performance.now() - began) / 1000;
    const [least, largest] = [Math.min(...bytes), Math.max(...bytes)];
    const middle = (least + largest) / 2;
    const apart = `± ${((100 * (largest - middle)) / middle).toFixed(1)} %`;
    const range = `${thousands(least)} … ${thousands(largest)} bytes (${apart})`;
    expectThat(
      largest <= 1.05 * middle,
      `${thousands(count)} requests, ${(count / seconds).toFixed(0)} a second: ${range}`,
    );
    console.log(`        MB by twentieths: ${bytes.map((b) => (b / 1e6).toFixed(0)).join(" ")}`);
  } finally {
    await server.end();
  }
}

if (Number(o.streams) > 0) {
  await streams(Number(o.streams));
  await surplus(Number(o.streams));
}
if (Number(o.disconnects) > 0) await disconnects(Number(o.disconnects));
if (Number(o.requests) > 0) await requests(Number(o.requests));
