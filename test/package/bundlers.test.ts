/** A page that runs a model, built by each bundler from the packed packages, in Chromium. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect } from "vitest";
import type { Stats } from "webpack";
import { inChromium } from "../../bench/measure/chromium.ts";
import { inProject } from "../support/paths.ts";
import { codeBlocks } from "../support/readme-blocks.ts";
import { folderOfUser, noBrowser, packed, pageTest as test } from "./installed.ts";
import { portOf, through } from "./proxy.ts";
import { output, shell, tool } from "./programs.ts";

/** The page's program: two threads if the page may, else one. Its text goes to the page around it. */
const MAIN = `import { openModel } from "@sinter/runtime/browser";

const say = (answer) => parent.postMessage(answer);
try {
  const model = await openModel({ bundle: "/run/bundle/", weights: "/run/weights.safetensors", workers: 2 });
  const pieces = [];
  for await (const piece of model.generate("The ", { tokens: 20, temperature: 0 })) pieces.push(piece);
  await model.close();
  say({ text: pieces.join(""), workers: model.workers });
} catch (error) {
  say({ error: String(error?.stack ?? error) });
}
`;
/** A page that has not answered by then has failed. */
const LIMIT_MS = 300_000;
const html = (script: string): string =>
  `<!doctype html><meta charset="utf-8"><title>a page</title><script type="module" src="${script}"></script>`;

/** Shows the page in a frame and waits for what it says. */
const SHOW = `export default () => new Promise((done) => {
  addEventListener("message", ({ data }) => done(data), { once: true });
  const frame = document.createElement("iframe");
  frame.src = "/index.html";
  document.body.append(frame);
});`;

let folder: string;
/** What the model writes in Node: the page has to write the same. */
let expected: string;
beforeAll(async () => {
  if (packed.missing !== undefined || noBrowser !== undefined) return;
  folder = folderOfUser("pages");
  await output(
    "npx sinter init my.sinter && npx sinter train my.sinter --out run --steps 40 --target relaxed",
    folder,
  );
  const sampled = 'npx sinter sample run -p "The " -n 20 --temp 0 --json';
  expected = (JSON.parse(await output(sampled, folder)) as { readonly text: string }).text;
  await output("cp run/step-*.safetensors run/weights.safetensors", folder);
  writeFileSync(join(folder, "main.js"), MAIN);
  writeFileSync(join(folder, "index.html"), html("/main.js"));
});

/** Runs the built page. */
async function answerOf(site: string): Promise<unknown> {
  cpSync(join(folder, "run"), join(folder, site, "run"), { recursive: true });
  return inChromium({ program: SHOW, folder: join(folder, site), limitMs: LIMIT_MS });
}

test("Vite", async () => {
  const config =
    'export default { worker: { format: "es" }, build: { outDir: "vite", target: "esnext" } };\n';
  writeFileSync(join(folder, "vite.config.js"), config);
  await output(`${tool("vite")} build`, folder);
  expect(await answerOf("vite")).toEqual({ text: expected, workers: 2 });
});

test("Vite's development server", async () => {
  cpSync(join(folder, "run"), join(folder, "public/run"), { recursive: true });
  const { createServer } = await import("vite");
  const server = await createServer({ root: folder, server: { host: "127.0.0.1", port: 0, hmr: false } });
  try {
    await server.listen();
    const page = { program: SHOW, folder, limitMs: LIMIT_MS, handle: through(portOf(server)) };
    expect(await inChromium(page)).toEqual({ text: expected, workers: 2 });
  } finally {
    await server.close();
  }
});

test("webpack", async () => {
  const { default: webpack } = await import("webpack");
  const compiler = webpack({
    mode: "production",
    context: folder,
    entry: "./main.js",
    output: { path: join(folder, "webpack"), filename: "main.js" },
  });
  const stats = await new Promise<Stats | undefined>((done, failed) =>
    compiler.run((error, found) => (error ? failed(error) : done(found))),
  );
  expect(stats!.toJson({ all: false, errors: true }).errors).toEqual([]);
  writeFileSync(join(folder, "webpack/index.html"), html("/main.js"));
  expect(await answerOf("webpack")).toEqual({ text: expected, workers: 2 });
});

test("esbuild, by the command of the runtime's README", async () => {
  const readme = readFileSync(inProject("runtime/README.md"), "utf8");
  const { command } = codeBlocks(readme).find((block) => block.command.startsWith("npx esbuild "))!;
  const { code, err } = await shell(command.replace("npx esbuild", tool("esbuild")), folder);
  expect(code, err).toBe(0);
  writeFileSync(join(folder, "site/index.html"), html("/main.js"));
  expect(await answerOf("site")).toEqual({ text: expected, workers: 2 });
});
