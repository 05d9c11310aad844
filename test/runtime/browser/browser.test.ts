/**
 * The runtime in a page of Chromium: the same bits as in Node, streams, and what goes wrong. Without a
 * Chromium the tests are skipped, and say so.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { chromiumMissing, inChromium, type PageRun } from "../../../bench/measure/chromium.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { objectiveOf } from "../../../compiler/2-check/objectives.ts";
import { compileModel } from "../../../compiler/compile.ts";
import type { PlainError } from "../../../runtime/browser/messages.ts";
import { saveCheckpoint } from "../../../runtime/store/checkpoint.ts";
import { generate } from "../../../runtime/sample/generate.ts";
import { createModel } from "../../../runtime/engine/model.ts";
import { asJavaScript } from "../../../runtime/node/page-server.ts";
import { nodeFiles } from "../../../runtime/node/files.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { randomStream } from "../../../runtime/base/random.ts";
import { samplerDefaults } from "../../../runtime/sample/sampler.ts";
import { byteTokenizer } from "../../../runtime/tokenizers/plain/bytes.ts";
import { sinter } from "../../support/command-line.ts";
import { shared } from "../formats/shared.ts";
import { steps } from "./page.ts";
import { shippedSpec } from "../../support/paths.ts";

const missing = chromiumMissing();
const folder = mkdtempSync(join(tmpdir(), "sinter-page-"));
const stories = shared("checkpoints/stories260K/stories260K.gguf");
const expected = shared("vectors/stories260K-greedy200.json");
const page = asJavaScript(readFileSync(new URL("page.ts", import.meta.url), "utf8"));

/** Calls functions of page.ts, one after the other, in one page. */
const calls = async (
  list: Readonly<Record<string, string>>,
  options: Partial<PageRun> = {},
): Promise<Record<string, unknown>> =>
  (await inChromium({
    folder,
    ...options,
    program: `${page}\nexport default async () => ({ ${Object.entries(list)
      .map(([name, call]) => `${JSON.stringify(name)}: await ${call}`)
      .join(", ")} });`,
  })) as Record<string, unknown>;

interface Sampled {
  readonly texts: readonly string[];
  readonly pieces: number;
  readonly progress: number;
  readonly workers: number;
  readonly target: string;
  readonly notes: readonly string[];
}

const PROMPTS = ["once", "Anna"];
const options = { tokens: 24, seed: 3 };
let trained: { losses: number[]; bits: number };
let pairs: typeof trained;
let texts: string[];

/** Makes /pairs/, a bundle that learns from pairs of answers, and takes the same steps in Node. */
async function trainedOnPairs(source: string): Promise<typeof trained> {
  const model = checkSource(source).models[0]!;
  const how = { targets: ["simd"], modules: ["train"], objective: objectiveOf("dpo") } as const;
  const bundle = await compileModel(model, how);
  mkdirSync(join(folder, "pairs"));
  for (const [name, bytes] of bundle.files) writeFileSync(join(folder, "pairs", name), bytes);
  const running = await createModel(bundle, "train", { host: nodeHost, workers: 1, target: "simd", seed: 4 });
  return steps(running).finally(() => running.close());
}

/**
 * Makes /tiny/, a bundle, and /tiny-run/, the contents of a run folder. Both come from Node, with what Node
 * computes.
 */
beforeAll(async () => {
  if (missing !== undefined) return;
  const source = shippedSpec("tiny")
    .replace(/vocab \d+/, "vocab 256")
    .replace(/tokenizer \w+/, "tokenizer bytes");
  const bundle = await compileModel(checkSource(source).models[0]!, { targets: ["simd", "relaxed"] });
  for (const into of ["tiny", "tiny-run/bundle", "damaged"]) {
    mkdirSync(join(folder, into), { recursive: true });
    for (const [name, bytes] of bundle.files)
      writeFileSync(
        join(folder, into, name),
        name.endsWith(".wasm") && into === "damaged" ? bytes.map((b, i) => (i === 500 ? b ^ 1 : b)) : bytes,
      );
  }
  const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, target: "simd", seed: 4 });
  trained = await steps(model);
  pairs = await trainedOnPairs(source);
  await saveCheckpoint(
    nodeFiles(),
    join(folder, "tiny-run"),
    model,
    {
      step: 5,
      tokens: 5 * model.entry("train").batch * model.entry("train").context,
      batches: randomStream(1, "batches").state(),
      identity: {},
    },
    1,
  );
  texts = [];
  for (const prompt of PROMPTS)
    texts.push(
      (
        await generate(model, byteTokenizer(), {
          ...samplerDefaults,
          ...bundle.manifest.model.sample,
          ...options,
          prompt,
        })
      ).text,
    );
  await model.close();
  writeFileSync(
    join(folder, "numbers.bin"),
    Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * 31 + (i >> 8)) & 255),
  );
  if (stories.there) {
    await sinter("import", stories.path, "-o", join(folder, "stories-run"), "--target", "simd");
    cpSync(stories.path, join(folder, "stories.gguf"));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const why = missing === undefined ? "" : ` (skipped: ${missing})`;

describe.skipIf(missing !== undefined)(`an isolated page${why}`, () => {
  let got: Record<string, unknown>;
  const weights = '"/tiny-run/step-000005.safetensors"';
  beforeAll(async () => {
    got = await calls({
      isolated: "crossOriginIsolated",
      one: 'train(1, "simd")',
      two: 'train(2, "simd")',
      inWorker: 'trainInWorker(2, "simd")',
      three: 'trainInWorker(3, "simd")',
      pairs: 'train(2, "simd", "pairs")',
      sampled:
        `sample({ bundle: "/tiny-run/bundle/", weights: "/tiny-run/step-000005.safetensors", workers: 2, ` +
        `target: "simd" }, ${JSON.stringify(PROMPTS)}, ${JSON.stringify(options)})`,
      element: `inElement(${JSON.stringify({
        src: "/tiny-run/bundle/",
        weights: "/tiny-run/step-000005.safetensors",
        prompt: PROMPTS[0],
        target: "simd",
        tokens: String(options.tokens),
        seed: String(options.seed),
      })})`,
      chosen: `sample({ bundle: "/tiny/", weights: ${weights} }, ["a"], { tokens: 4 })`,
      cancelled: `cancel({ bundle: "/tiny-run/bundle/", weights: ${weights}, workers: 2 })`,
      together:
        `together({ bundle: "/tiny-run/bundle/", weights: "/tiny-run/step-000005.safetensors", workers: ` +
        `2, target: "simd" }, ${JSON.stringify([...PROMPTS, ...PROMPTS])}, ${JSON.stringify(options)})`,
    });
  });

  it(
    "trains to the bits of Node, with one worker and with two, whose first is another thread " +
      "or this one",
    () => {
      expect(got["isolated"]).toBe(true);
      for (const name of ["one", "two", "inWorker", "three"]) expect(got[name], name).toEqual(trained);
    },
  );

  it("learns from pairs of answers to the bits of Node (thread 30)", () => {
    expect(got["pairs"]).toEqual(pairs);
    expect(pairs.bits).not.toBe(trained.bits);
  });

  it("makes the texts of Node from a checkpoint, piece by piece", () => {
    const { texts: found, pieces, progress, workers } = got["sampled"] as Sampled;
    expect(found).toEqual(texts);
    expect(pieces).toBeGreaterThan(2);
    expect(progress).toBe(1);
    expect(workers).toBe(2);
  });

  it("is an element of the page, too, which says what is wrong", () => {
    expect(got["element"]).toEqual({
      before: "Write",
      text: texts[0],
      shown: {
        text: `${PROMPTS[0]}${texts[0]}`,
        status: expect.stringMatching(/^tiny, [\d,.]+ parameters$/) as unknown,
        prompt: PROMPTS[0],
      },
      failure: expect.stringMatching(/nothing\.gguf/) as unknown,
    });
  });

  it(
    "makes several texts that are asked for at once, each as alone; one that is given up holds " +
      "nobody up",
    () => {
      expect(got["together"]).toEqual({ texts: [...texts, ...texts, texts[0]], given: "aborted" });
    },
  );

  it("takes relaxed where it is there, never wide by itself, and one worker for a small model", () => {
    expect(got["chosen"]).toMatchObject({ target: "relaxed", workers: 1 });
  });

  it("stays free while a text is made, and ends it when nobody wants more", () => {
    const { ticks, after, afterBroken, ...rest } = got["cancelled"] as Record<string, number>;
    expect(rest).toMatchObject({ reason: "aborted", broken: "aborted", first: "tokens", second: "aborted" });
    expect(rest["tokens"]).toBeGreaterThan(10);
    expect(rest["tokens"]).toBeLessThan(100_000);
    expect(ticks).toBeGreaterThan(20); // in 300 milliseconds
    expect([after, afterBroken]).toEqual([4, 4]);
    expect(rest["closed"]).toBe("aborted");
    expect(String(rest["late"])).toMatch(/is closed/);
  });
});

describe.skipIf(missing !== undefined)(`a page as most are, not isolated${why}`, () => {
  let got: Record<string, unknown>;
  beforeAll(async () => {
    const open = { bundle: "/tiny-run/bundle/", weights: "/tiny-run/step-000005.safetensors" };
    got = await calls(
      {
        isolated: "crossOriginIsolated",
        one: 'train(1, "simd")',
        inWorker: 'trainInWorker(1, "simd")',
        older: "withoutRelaxed()",
        sampled:
          `sample(${JSON.stringify({ ...open, target: "simd" })}, ${JSON.stringify(PROMPTS)}, ` +
          `${JSON.stringify(options)})`,
        cancelled: `cancel(${JSON.stringify(open)})`,
        refused: `refusals(${JSON.stringify([
          { ...open, workers: 2 },
          { ...open, target: "wide" },
          { ...open, bundle: "/nothing/" },
          { ...open, weights: "/nothing.gguf" },
          { ...open, bundle: "/damaged/" },
          { ...open, weights: "/tiny/manifest.json" },
          { ...open, weights: "http://127.0.0.1:9/model.gguf" },
          ...(stories.there ? [{ ...open, weights: "/stories.gguf" }] : []),
        ])})`,
      },
      { isolated: false },
    );
  });

  it("runs on one worker, to the same bits and texts", () => {
    expect(got["isolated"]).toBe(false);
    expect(got["one"]).toEqual(trained);
    expect(got["inWorker"]).toEqual(trained);
    expect(got["sampled"]).toMatchObject({ texts, workers: 1 });
    expect((got["sampled"] as Sampled).notes.join()).toContain("Cross-Origin-Opener-Policy");
    expect(got["cancelled"]).toMatchObject({ reason: "aborted", broken: "aborted", after: 4 });
  });

  it("takes simd where the engine knows no relaxed instructions, and says so", () => {
    expect(got["older"]).toEqual({ target: "simd", notes: ["relaxed: the engine lacks the instructions"] });
  });

  it("says what is wrong, and what to do", () => {
    const [workers, wide, bundle, weights, damaged, other, server, misfit] = got[
      "refused"
    ] as readonly (PlainError & { name: string })[];
    for (const error of got["refused"] as readonly PlainError[])
      expect(error).toMatchObject({ name: "SinterError" });
    expect(`${workers!.message} ${workers!.hint}`).toMatch(
      /2 workers.*not cross-origin isolated.*Cross-Origin-Opener-Policy: same-origin.*Cross-Origin-Embedder-Policy: require-corp/,
    );
    expect(wide!.message).toMatch(/does not carry target wide/);
    expect(bundle!.message).toMatch(/cannot read .*\/nothing\/manifest.json: the server answers 404/);
    expect(weights!.message).toMatch(/there is no file or folder .*nothing.gguf/);
    expect(damaged).toMatchObject({
      kind: "corrupt",
      message: expect.stringContaining("is not the file that was compiled") as unknown,
    });
    expect(other!.kind).toMatch(/input|corrupt/);
    expect(server).toMatchObject({
      kind: "input",
      message: expect.stringContaining("cannot fetch http://127.0.0.1:9/model.gguf") as unknown,
    });
    if (misfit)
      expect(misfit).toMatchObject({
        kind: "input",
        message: expect.stringMatching(/another model|no published format/) as unknown,
      });
  });
});

describe.skipIf(missing !== undefined)(`weights over HTTP${why}`, () => {
  const OFFSETS = [0, 65_536, 65_530, 2_000_000, 1_000, 2_990_000];
  const LENGTH = 10_000;
  const call = `readPieces("/numbers.bin", ${JSON.stringify(OFFSETS)}, ${LENGTH})`;
  const right = OFFSETS.map((offset) =>
    Array.from(
      { length: LENGTH },
      (_, i) => (((offset + i) * 31 + ((offset + i) >> 8)) & 255) * (1 + (i % 7)),
    ).reduce((a, b) => a + b, 0),
  );

  it(
    "come in one piece after the other, forwards and backwards; from a server without ranges " + "too",
    async () => {
      const whole = { bytes: 3_000_000, sums: right };
      expect((await calls({ read: call }))["read"]).toEqual(whole);
      expect((await calls({ read: call }, { ranges: false }))["read"]).toEqual(whole);
    },
  );

  /** Cuts answers to /numbers.bin after 100 KB. From the second answer on, they have another version. */
  const cutting =
    (requests: string[], version: (n: number) => string) =>
    (request: IncomingMessage, response: ServerResponse): boolean => {
      if (request.url !== "/numbers.bin") return false;
      const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? "")![1]);
      const bytes = readFileSync(join(folder, "numbers.bin")).subarray(from);
      const size = statSync(join(folder, "numbers.bin")).size;
      requests.push(request.headers.range!);
      response.writeHead(206, {
        "content-range": `bytes ${from}-${size - 1}/${size}`,
        "content-length": bytes.length,
        etag: version(requests.length),
      });
      response.write(bytes.subarray(0, 100_000), () => setTimeout(() => response.destroy(), 50));
      return true;
    };

  it("go on where an answer broke off, and not when the file is another one by then", async () => {
    const requests: string[] = [];
    const one = await calls(
      { read: `readPieces("/numbers.bin", [0], 250000)` },
      { handle: cutting(requests, () => '"1"') },
    );
    expect(one["read"]).toMatchObject({ bytes: 3_000_000, sums: [expect.any(Number) as unknown] });
    const starts = requests.map((range) => range.replace(/\d*$/, "")); // the browser's cache may add the end
    // a busy browser may ask a second time by itself if a connection broke before it saw the answer
    const asked = starts.filter((start, i) => start !== starts[i - 1]);
    expect(asked).toEqual(["bytes=0-", "bytes=100000-", "bytes=200000-"]);
    const other = await calls(
      { read: `readPieces("/numbers.bin", [0], 250000)` },
      { handle: cutting([], (n) => `"${n}"`) },
    );
    expect(other["read"]).toEqual({
      error: expect.stringContaining("changed on the server while it was read") as unknown,
    });
  });
});

describe.skipIf(missing !== undefined || !stories.there || !expected.there)(
  `stories260K in a page${why || stories.why || expected.why}`,
  () => {
    it(
      "tells its story from GGUF, with its tokenizer, from a run's checkpoint, and in the " + "example",
      async () => {
        const { text } = JSON.parse(readFileSync(expected.path, "utf8")) as { text: string };
        const run = "/stories-run";
        const greedy = `[""], { tokens: 200, temperature: 0 }`;
        const got = await calls({
          gguf: `sample({ bundle: "${run}/bundle/", weights: "/stories.gguf" }, ${greedy})`,
          checkpoint:
            `sample({ bundle: "${run}/bundle/", weights: "${run}/step-000000.safetensors", workers: 2 }, ` +
            `${greedy})`,
          example: `example("bundle=stories-run/bundle/&weights=stories.gguf")`,
        });
        const { loaded, text: shown, status, wide, icon } = got["example"] as Record<string, string>;
        expect(Number(wide)).toBeLessThanOrEqual(360);
        expect(icon).toMatch(/^data:image/); // so that the browser asks for no file that is not there
        expect(loaded).toBe("stories260K: 260,032 parameters, 1 thread, simd");
        expect(shown).toMatch(/^Once upon a time.{40,}/s);
        expect(status).toMatch(/^\d+ tokens, \d+ a second$/);
        for (const name of ["gguf", "checkpoint"]) expect((got[name] as Sampled).texts[0], name).toBe(text);
      },
    );
  },
);
