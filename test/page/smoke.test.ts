/**
 * The page as a visitor meets it first: how much is loaded, what can be read before and after, and a spec
 * that is written with a mistake and mended, by keys alone. What needs no browser is tested without one.
 */
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { POLICY } from "../../app/playground/site/policy.ts";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { exactBytes } from "../../compiler/language-service/exact-bytes.ts";
import { analyse } from "../../compiler/language-service/analyse.ts";
import { sizeText } from "../../runtime/contract/amounts.ts";
import { startPageServer } from "../../runtime/node/page-server.ts";
import { skippedFor } from "../support/browsers.ts";
import { openBrowser, type OpenPage } from "../support/chromium-page.ts";
import { inspect } from "../support/inspect-page.ts";
import { shippedSpec } from "../support/paths.ts";
import { mendsASpec, says, textOf } from "./by-keys.ts";
import { firstFiles, packedBytes, withImports } from "./loaded-files.ts";

const { url, folder, missing: unbuilt } = inject("page");
const kB = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;

/** Bytes at the most, packed with gzip: what is there before anything can be read, and the editor with it. */
const FIRST = 60_000;
const EDITOR = 280_000;

/** The built file that begins so. */
const asset = (begin: string): string => {
  const [found, ...others] = readdirSync(join(folder, "assets")).filter((name) =>
    name.startsWith(`${begin}-`),
  );
  if (found === undefined || others.length > 0) throw new Error(`${begin}: ${[found, ...others]}`);
  return `assets/${found}`;
};

const first = unbuilt ? [] : firstFiles(folder);
const editor = unbuilt
  ? []
  : [
      ...new Set([
        ...first,
        ...withImports(folder, asset("place-editor")),
        ...withImports(folder, asset("check-thread")),
      ]),
    ];

test.skipIf(unbuilt)(`little is loaded: what is read first, then the editor${skippedFor(unbuilt)}`, () => {
  const sizes = { first: packedBytes(folder, first), editor: packedBytes(folder, editor) };
  console.log(`gzip: first paint ${kB(sizes.first)}, editor with everything ${kB(sizes.editor)}`);
  expect(first.length).toBeGreaterThanOrEqual(3);
  expect(sizes.first).toBeLessThanOrEqual(FIRST);
  expect(sizes.editor).toBeLessThanOrEqual(EDITOR);
});

const missing = unbuilt ?? chromiumMissing();
describe.skipIf(missing)(`in Chromium${skippedFor(missing)}`, () => {
  let browser: Awaited<ReturnType<typeof openBrowser>>;
  let page: OpenPage;
  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.open(url, { width: 1440, scheme: "light" });
    await says(page, "status", /runs in .*B$/);
  });
  afterAll(async () => browser?.close());

  test("it loads what was counted, from its own server alone, and nothing moves", async () => {
    const scripts = page.requests.filter((asked) => /\.(?:js|css)$/.test(asked));
    const loaded = scripts.map((asked) => relative("/", new URL(asked).pathname));
    expect(page.requests.filter((asked) => !asked.startsWith(url))).toEqual([]);
    expect(loaded).toEqual(expect.arrayContaining(editor.filter((file) => file !== "index.html")));
    const shifts = `new Promise((done) => {
      const seen = [];
      new PerformanceObserver((list) => seen.push(...list.getEntries().map((shift) => shift.value)))
        .observe({ type: "layout-shift", buffered: true });
      setTimeout(() => done(seen.reduce((sum, value) => sum + value, 0)), 100);
    })`;
    expect(await page.evaluate(shifts)).toBeLessThan(0.01);
    expect(page.complaints).toEqual([]);
  });

  test("the policy is in force, and the page says it to hosts that send no headers", async () => {
    const { headers } = await fetch(url);
    expect(headers.get("content-security-policy")).toBe(POLICY);
    const said = `document.querySelector('meta[http-equiv="Content-Security-Policy"]').content`;
    expect(await page.evaluate(said)).toBe(POLICY);
    const plain = await startPageServer({ folder, port: 0, isolated: false });
    const other = await browser.open(plain.url, { width: 1440, scheme: "light" });
    for (const each of [page, other]) {
      const script = `document.body.append(Object.assign(document.createElement("script"),
        { text: "document.title = 'it ran'" })), document.title`;
      expect(await each.evaluate(script)).toMatch(/^Sinter/);
    }
    expect(await other.evaluate("crossOriginIsolated")).toBe(false);
    expect(await page.evaluate("crossOriginIsolated")).toBe(true);
    await other.close();
    plain.server.close();
    plain.server.closeAllConnections();
  });

  test("the status line has the compiler's numbers", async () => {
    const [model] = analyse(shippedSpec("quickstart")).models;
    const cores = (await page.evaluate("navigator.hardwareConcurrency")) as number;
    const { train, infer } = exactBytes(model!.model, cores);
    const status = await textOf(page, "status");
    expect(status).toContain(`${model!.parameters.toLocaleString("en")} parameters`);
    expect(status).toContain(sizeText(train.bytes));
    expect(status).toContain(sizeText(infer.bytes));
  });

  test("a mistake is named as it is typed, and mended, by keys alone", async () => {
    await mendsASpec(page);
  });

  test("it can be read at every width, in light and dark", async () => {
    await inspect(page, "page");
  });
});
