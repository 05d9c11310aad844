/**
 * What test/runtime/browser/browser.test.ts runs in pages of Chromium. Each function gives one answer; a test
 * asks for several, one after the other.
 */
import type { SinterModelElement } from "../../../runtime/browser/element.ts";
import type * as Browser from "../../../runtime/browser/index.ts";
import type * as Runtime from "../../../runtime/index.ts";
import type { Target } from "../../../runtime/contract/targets.ts";

const load = <M>(path: string): Promise<M> => import(path) as Promise<M>;
const browser = (): Promise<typeof Browser> => load("/sinter/browser/index.js");
const runtime = (): Promise<typeof Runtime> => load("/sinter/index.js");

/**
 * Trains a bundle, /tiny/ unless another is named, for a few steps on this thread, and returns its losses and
 * a hash of its parameters.
 */
export async function train(
  workers: number,
  target: Target,
  name = "tiny",
): Promise<{ losses: number[]; bits: number }> {
  const { browserHost, fetchFiles } = await browser();
  const { createModel, readBundle } = await runtime();
  const model = await createModel(await readBundle(fetchFiles(location.origin), name), "train", {
    host: browserHost,
    workers,
    target,
    seed: 4,
  });
  const { losses, bits } = await steps(model);
  await model.close();
  return { losses, bits };
}

/** The same steps in Node and in a page. */
export async function steps(model: Runtime.RunningModel): Promise<{ losses: number[]; bits: number }> {
  const { batch, context } = model.entry("train");
  const { vocab } = model.manifest.model.sizes;
  const losses: number[] = [];
  let state = 1;
  const next = (): number => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) % vocab;
  for (let step = 1; step <= 5; step++) {
    const tokens = Int32Array.from({ length: batch * context }, next);
    // answers behind prompts, of unequal lengths
    const isLearnt = (row: number): boolean => row % context > (row / context) % 5;
    const targets = tokens.map((t, row) => (isLearnt(row) ? (t + 1) % vocab : -1));
    const referenceLogprobs = new Float32Array(tokens.length).fill(-5);
    losses.push((await model.trainStep([{ tokens, targets, referenceLogprobs }], { lr: 1e-2, step })).loss);
  }
  let bits = 0; // FNV-1a over the words
  for (const tensor of model.of("parameter"))
    for (let slice = 0; slice < tensor.place.slices; slice++)
      for (const word of new Int32Array(Float32Array.from(tensor.dense(slice)).buffer))
        bits = Math.imul(bits ^ word, 0x01000193);
  return { losses, bits };
}

/** Runs `train` in a worker, whose thread is then worker 0 of the pool. */
export async function trainInWorker(workers: number, target: Target): Promise<unknown> {
  const source =
    `import { train } from "${location.origin}/program.js"; train(${workers}, "${target}").then((v) => ` +
    "postMessage(v), (e) => postMessage(String(e)));";
  const worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })), {
    type: "module",
  });
  const answer = await new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => resolve(`failed: ${event.message}`);
  });
  worker.terminate();
  return answer;
}

/** The target that is chosen where the engine does not know relaxed instructions. */
export async function withoutRelaxed(): Promise<unknown> {
  const { browserHost, fetchFiles } = await browser();
  const { createModel, readBundle } = await runtime();
  const { validate } = WebAssembly;
  const MADD = [0xfd, 0x85, 0x02]; // f32x4.relaxed_madd
  WebAssembly.validate = (bytes) =>
    !(bytes instanceof Uint8Array && bytes.some((_, i) => MADD.every((byte, j) => bytes[i + j] === byte))) &&
    validate(bytes);
  try {
    const { target, notes, close } = await createModel(
      await readBundle(fetchFiles(location.origin), "tiny"),
      "infer",
      { host: browserHost, workers: 1 },
    );
    await close();
    return { target, notes };
  } finally {
    WebAssembly.validate = validate;
  }
}

/** Opens a model and makes texts with it. */
export async function sample(
  open: Browser.OpenOptions,
  prompts: readonly string[],
  options: Browser.PageGenerateOptions,
): Promise<unknown> {
  const { openModel } = await browser();
  let progress = 0;
  const model = await openModel(open, { onProgress: (part) => (progress = part) });
  const texts: string[] = [];
  let pieces = 0;
  for (const prompt of prompts) {
    let text = "";
    for await (const piece of model.generate(prompt, options)) {
      text += piece;
      pieces++;
    }
    texts.push(text);
  }
  await model.close();
  return { texts, pieces, progress, workers: model.workers, target: model.target, notes: model.notes };
}

/** Writes a text in `<sinter-model>`, takes the element out of the page, and asks it for what it shows. */
export async function inElement(attributes: Readonly<Record<string, string>>): Promise<unknown> {
  await load("/sinter/browser/element.js");
  const element = document.createElement("sinter-model") as SinterModelElement;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  document.body.append(element);
  const [prompt, button, out, status] = ["prompt", "button", "text", "status"].map((part) =>
    element.shadowRoot!.querySelector(`[part=${part}]`),
  );
  const before = button!.textContent;
  const text = await element.write();
  const shown = {
    text: out!.textContent,
    status: status!.textContent,
    prompt: (prompt as HTMLInputElement).value,
  };
  element.setAttribute("weights", "/nothing.gguf");
  element.remove();
  document.body.append(element);
  const failure = await element.write().catch((cause: Error) => cause.message);
  element.remove();
  return { before, text, shown, failure };
}

/** Asks for several texts at once, and gives one up while it waits for the first. */
export async function together(
  open: Browser.OpenOptions,
  prompts: readonly string[],
  options: Browser.PageGenerateOptions,
): Promise<unknown> {
  const { openModel } = await browser();
  const model = await openModel(open);
  const stop = new AbortController();
  const streams = prompts.map((prompt) => model.generate(prompt, options));
  const waiting = model.generate("never", { ...options, signal: stop.signal });
  const last = model.generate(prompts[0]!, options);
  stop.abort();
  const [given, ...made] = await Promise.all([waiting, ...streams, last].map((stream) => stream.result));
  await model.close();
  return { texts: made.map(({ text }) => text), given: given!.reason };
}

/** Leaves a long text in three ways, and asks for another one after each. */
export async function cancel(open: Browser.OpenOptions): Promise<unknown> {
  const { openModel } = await browser();
  const model = await openModel(open);
  const long = { tokens: 100_000, temperature: 0 };
  const out: Record<string, unknown> = {};
  const after = async (): Promise<number> =>
    (await model.generate("Once", { tokens: 4, temperature: 0 }).result).tokens.length;

  const stop = new AbortController();
  const stream = model.generate("Once", { ...long, signal: stop.signal });
  let ticks = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    // a busy machine ticks less often, so it gets the time that it needs
    if (++ticks > 25 && performance.now() - began > 300) stop.abort();
  }, 1);
  const { reason, tokens } = await stream.result;
  clearInterval(timer);
  Object.assign(out, { reason, tokens: tokens.length, ticks, after: await after() });

  const broken = model.generate("Once", long);
  for await (const _ of broken) break;
  Object.assign(out, { broken: (await broken.result).reason, afterBroken: await after() });

  const waiting = new AbortController();
  const first = model.generate("Once", { tokens: 300, temperature: 0 });
  const second = model.generate("Once", { ...long, signal: waiting.signal });
  waiting.abort();
  Object.assign(out, { first: (await first.result).reason, second: (await second.result).reason });

  const cut = model.generate("Once", long);
  const end = cut.result.then((made) => made.reason, String);
  await model.close();
  out["closed"] = await Promise.race([
    end,
    new Promise((resolve) => setTimeout(() => resolve("never"), 60_000)),
  ]);
  out["late"] = await model.generate("Once").result.catch((error: unknown) => String(error));
  return out;
}

/** The messages of what goes wrong. */
export async function refusals(all: readonly Browser.OpenOptions[]): Promise<unknown> {
  const { openModel } = await browser();
  const out: unknown[] = [];
  for (const open of all)
    out.push(
      await openModel(open).then(
        () => "it opened",
        ({ name, kind, message, hint }: Runtime.SinterError) => ({ name, kind, message, hint }),
      ),
    );
  return out;
}

/** Reads pieces of a file at these offsets, and returns their sums, or the error. */
export async function readPieces(path: string, offsets: readonly number[], length: number): Promise<unknown> {
  const { fetchFiles } = await browser();
  try {
    const file = await fetchFiles(location.origin).open(path);
    const sums: number[] = [];
    for (const offset of offsets)
      sums.push((await file.read(offset, length)).reduce((a, b, i) => a + b * (1 + (i % 7)), 0));
    await file.close();
    return { bytes: file.bytes, sums };
  } catch (error) {
    return { error: String(error) };
  }
}

/** Uses the example page as a person would. */
export async function example(query: string): Promise<unknown> {
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.style.width = "360px"; // the width of a telephone
  frame.src = `/example.html?${query}`;
  const until = async (right: (page: Document) => boolean): Promise<Document> => {
    for (let i = 0; i < 20_000 && !(frame.contentDocument && right(frame.contentDocument)); i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    return frame.contentDocument!;
  };
  const page = await until((p) => p.querySelector("button")?.disabled === false);
  const loaded = page.querySelector("small")!.textContent;
  page.querySelector("button")!.click();
  await until((p) => p.querySelector("output")!.textContent!.length > 60);
  page.querySelector("button")!.click();
  await until((p) => p.querySelector("button")!.textContent === "Write");
  const wide = page.documentElement.scrollWidth;
  const icon = page.querySelector<HTMLLinkElement>("link[rel=icon]")!.href;
  return {
    loaded,
    wide,
    icon,
    text: page.querySelector("output")!.textContent,
    status: page.querySelector("small")!.textContent,
  };
}
