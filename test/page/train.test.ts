/**
 * Training in the page: a spec that was written there is compiled there; it learns to the bits that Node
 * comes to, also where the tab is killed and opened again, with one thread and with several, in both engines.
 */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { beginRunIn } from "../../app/playground/model/begin-run.ts";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { nodeHost } from "../../runtime/node/host.ts";
import { startPageServer } from "../../runtime/node/page-server.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { firefoxMissing, openFirefox } from "../support/firefox-page.ts";
import { inspect } from "../support/inspect-page.ts";
import { memoryFiles } from "../support/memory-files.ts";
import { compileSmall } from "../support/running-models.ts";
import {
  hide,
  learnFrom,
  newestCheckpoint,
  openTraining,
  press,
  setNumber,
  until,
  untilSaid,
  writeSpec,
} from "./training-page.ts";

const STEPS = 300;
const source = `model page {
  context 32   width 32   layers 2   heads 4
  embed token + position
  layer {
    x += attention(layernorm(x))
    x += mlp(layernorm(x))
  }
  output linear(layernorm(x), tied: true)
  tokenizer bytes
  train { batch 16   steps 1000   lr 3e-3   warmup 20   eval_every 100   sample_every 200 }
}
`;
const text = "the cat sat on the mat, the dog sat on the cat, and the mat was flat. ".repeat(60);
const look = { width: 1280, scheme: "light" } as const;
const { url, folder } = inject("page");

/** The hash of the last checkpoint, in Node. */
async function inNode(): Promise<string> {
  const files = memoryFiles();
  const { opened } = await beginRunIn(
    { host: nodeHost, files },
    {
      bundle: await compileSmall(source, {
        module: "train",
        target: "simd",
        options: { entries: ["look"] }, // as the page has it, for its panels
      }),
      source,
      text,
      settings: { seed: 1, steps: STEPS },
      moves: [],
      target: "simd",
      workers: 1,
      experiment: "",
    },
    "runs/node",
  );
  await opened.train(STEPS, () => {});
  await opened.close();
  const last = files.contents.get(`runs/node/step-${String(STEPS).padStart(6, "0")}.safetensors`)!;
  return createHash("sha256").update(last).digest("hex");
}

/** Writes the spec, and chooses text and steps. */
async function set(page: OpenPage): Promise<void> {
  await writeSpec(page, source);
  await learnFrom(page, text);
  await setNumber(page, 1, STEPS);
}

/** Chromium's own editing asks for styles when a text is replaced, which the policy refuses. */
const ofThePage = ({ complaints }: OpenPage): readonly string[] =>
  complaints.filter((complaint) => !complaint.includes("Applying inline style"));

const missing = chromiumMissing();
describe.skipIf(missing !== undefined)(`in Chromium${missing ? ` (skipped: ${missing})` : ""}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let expected: string;
  beforeAll(async () => {
    browser = await openBrowser();
    expected = await inNode();
  });
  afterAll(async () => browser?.close());

  test("an example that nobody has changed shows its first loss within two seconds", async () => {
    const page = await browser.open(url, look);
    await openTraining(page);
    const began = performance.now();
    await press(page, 0);
    await until(page, "/[0-9]/.test(document.querySelector('.train .numbers dd').textContent)");
    console.log(`first loss after ${Math.round(performance.now() - began)} ms`);
    await press(page, 0);
    await untilSaid(page, /^Step/);
    expect(page.requests.filter((asked) => !asked.startsWith(url))).toEqual([]);
    expect(page.complaints).toEqual([]);
    await inspect(page, "train");
    await page.close();
  });

  test("killed at half of its steps and opened again, with all cores, it comes to Node's bits", async () => {
    const page = await browser.open(url, look);
    await openTraining(page);
    await page.slowDown(4);
    await set(page);
    const began = performance.now();
    await press(page, 0);
    await untilSaid(page, /^Step/);
    console.log(`compiled and begun after ${Math.round(performance.now() - began)} ms`);
    await untilSaid(page, /^Step (?:[89]\d|1\d\d)/);
    await hide(page);
    await untilSaid(page, /^Step (?:1[5-9]\d|2\d\d)/);
    expect(ofThePage(page)).toEqual([]);
    await page.kill();

    const again = await browser.open(url, look);
    await openTraining(again);
    await until(again, "document.querySelector('.train .left button') !== null");
    await again.evaluate("document.querySelector('.train .left button').click()");
    const state = await untilSaid(again, /^Step/);
    const from = Number(/\d+/.exec(state)![0]);
    expect(from).toBeGreaterThanOrEqual(80);
    expect(from).toBeLessThan(STEPS);
    await press(again, 0);
    await untilSaid(again, /^Done/);
    const { names, sha256 } = await newestCheckpoint(again);
    expect(names.at(-1)).toBe("step-000300.safetensors");
    expect(sha256).toBe(expected);
    expect(again.complaints).toEqual([]);
    await again.close();
  });

  test("a host that sends no headers: one thread, the same bits, step by step and in one go", async () => {
    const plain = await startPageServer({ folder, port: 0, isolated: false });
    const page = await browser.open(plain.url, look);
    await openTraining(page);
    await set(page);
    await press(page, 1);
    await untilSaid(page, /^Step 1 /);
    await press(page, 0);
    await untilSaid(page, /^Done/);
    expect((await newestCheckpoint(page)).sha256).toBe(expected);
    expect(ofThePage(page)).toEqual([]);
    await page.close();
    plain.server.close();
    plain.server.closeAllConnections();
  });

  test.skipIf(firefoxMissing())("Firefox comes to the same bits", async () => {
    const firefox = await openFirefox();
    const page = await firefox.open(url, look);
    await openTraining(page);
    await set(page);
    await press(page, 0);
    await untilSaid(page, /^Done/);
    expect((await newestCheckpoint(page)).sha256).toBe(expected);
    await firefox.close();
  });
});
