/**
 * The example of Vite's plugin, from the packed packages, in Chromium: it learns while its spec is edited,
 * with and without errors; it is built, and previewed; and TypeScript knows what is in the spec.
 */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect } from "vitest";
import { inChromium } from "../../bench/measure/chromium.ts";
import { inProject } from "../support/paths.ts";
import { folderOfUser, installTool, packed, packageTest, pageTest } from "./installed.ts";
import { freePort, portOf, through } from "./proxy.ts";
import { compilers, output, shell, tool } from "./programs.ts";

const LIMIT_MS = 120_000;
let folder: string;
const spec = (): string => join(folder, "src/flowers.sinter");

beforeAll(() => {
  if (packed.missing !== undefined) return;
  folder = folderOfUser("vite-example");
  cpSync(inProject("app/examples/vite"), folder, { recursive: true });
  installTool("vite");
});

/** What both programs do: the example in a frame, and what its page says. */
const IN_FRAME = `
const frame = document.createElement("iframe");
frame.src = "/index.html";
document.body.append(frame);
const page = () => frame.contentDocument;
const status = () => page().querySelector("#status")?.textContent ?? "";
const overlay = () => page().querySelector("vite-error-overlay")?.shadowRoot.textContent ?? "";
const parameters = () => status().match(/^([\\d,]+) parameters/)?.[1];
const step = () => Number(status().match(/step (\\d+)/)?.[1] ?? 0);
const until = async (is) => {
  while (!is()) await new Promise((again) => setTimeout(again, 20));
};
const hasLearnt = async () => {
  const from = step();
  await until(() => step() > from + 5);
};
`;

/** Edits come by request; `say` tells where it stands, should it hang. */
const EDITS = `${IN_FRAME}
const edit = (name) => fetch("/edit/" + name, { method: "POST" });
export default async (say) => {
  await until(() => step() > 3);
  const first = parameters();
  frame.contentWindow.stays = true;
  say("learns");
  await edit("wider");
  await until(() => parameters() !== first && step() > 3);
  const second = parameters();
  say("learns wider");
  await edit("wrong");
  await until(() => overlay() !== "");
  const error = overlay();
  await hasLearnt();
  say("learns on beside the error");
  const meanwhile = parameters();
  await edit("right");
  await until(() => overlay() === "" && parameters() === first && step() > 3);
  return { first, second, meanwhile, error, stayed: frame.contentWindow.stays };
};`;

pageTest("the development server: an edited spec is compiled into the page that runs", async () => {
  const { createServer } = await import("vite");
  const right = readFileSync(spec(), "utf8");
  const edits = new Map([
    ["wider", right.replace("width 64", "width 96")],
    ["wrong", right.replace("heads 4", "heads 5")],
    ["right", right],
  ]);
  const port = await freePort();
  const server = await createServer({
    root: folder,
    clearScreen: false,
    logLevel: "silent",
    // updates come by a socket of the server's own, past the proxy
    server: { host: "127.0.0.1", port, strictPort: true, hmr: { clientPort: port } },
  });
  try {
    await server.listen();
    const proxy = through(port);
    const said: string[] = [];
    const answer = await inChromium({
      program: EDITS,
      folder,
      limitMs: LIMIT_MS,
      say: (line) => said.push(line),
      handle(request, response) {
        const text = edits.get(/^\/edit\/(\w+)$/.exec(request.url!)?.[1] ?? "");
        if (text === undefined) return proxy(request, response);
        writeFileSync(spec(), text);
        response.end();
        return true;
      },
    }).catch((error: Error) => Promise.reject(new Error(`after: ${said.join(", ")}`, { cause: error })));
    expect(answer).toEqual({
      first: "117,376",
      second: expect.stringMatching(/^2\d\d,\d\d\d$/),
      meanwhile: (answer as { readonly second: string }).second,
      error: expect.stringMatching(
        /width 64 does not divide into 5 heads[^]*flowers\.sinter:3:\d+[^]*heads 5/,
      ),
      stayed: true,
    });
  } finally {
    await server.close();
  }
});

pageTest("a build that is previewed", async () => {
  const { preview } = await import("vite");
  await output(`${tool("vite")} build`, folder);
  const server = await preview({ root: folder, logLevel: "silent", preview: { host: "127.0.0.1", port: 0 } });
  try {
    const program = `${IN_FRAME}
export default async () => {
  await until(() => page()?.querySelector("#names")?.children.length > 2);
  return parameters();
};`;
    const answer = await inChromium({ program, folder, limitMs: LIMIT_MS, handle: through(portOf(server)) });
    expect(answer).toBe("117,376");
  } finally {
    await server.close();
  }
});

packageTest("a program for Node, and a preview that is isolated", async () => {
  const { preview } = await import("vite");
  writeFileSync(
    join(folder, "program.js"),
    `import { createModel } from "@sinter/runtime";
import { nodeHost } from "@sinter/runtime/node";
import bundle from "./src/flowers.sinter?train";
const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, seed: 1 });
console.log(model.manifest.parameters);
await model.close();
`,
  );
  writeFileSync(
    join(folder, "isolated.config.js"),
    `import { sinter } from "sinter/vite";
export default { plugins: [sinter({ isolate: true })], build: { target: "esnext" } };
`,
  );
  await output(`${tool("vite")} build --ssr program.js --outDir node`, folder);
  expect(await output("node node/program.js", folder)).toBe("117376\n");
  const configFile = join(folder, "isolated.config.js");
  const server = await preview({ root: folder, configFile, logLevel: "silent", preview: { port: 0 } });
  try {
    const { headers } = await fetch(`http://localhost:${portOf(server)}/`);
    expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
    expect(headers.get("cross-origin-embedder-policy")).toMatch(/^(require-corp|credentialless)$/);
  } finally {
    await server.close();
  }
});

packageTest.for(compilers)("%s: what is not in the spec does not compile", async ([, tsc]) => {
  await output("npx sinter types src/flowers.sinter --train", folder);
  expect(await output(`"${tsc}" -p .`, folder)).toBe("");
  const trainer = join(folder, "src/trainer.ts");
  const right = readFileSync(trainer, "utf8");
  const wrong = right.replace("token_embedding.weight", "token_embeding.weight");
  writeFileSync(trainer, wrong.replace('createModel(bundle, "train"', 'createModel(bundle, "infer"'));
  const { code, out } = await shell(`"${tsc}" -p .`, folder);
  writeFileSync(trainer, right);
  expect(code).not.toBe(0);
  expect(out).toMatch(/trainer\.ts\(\d+,\d+\): error TS2345: Argument of type '"token_embeding\.weight"'/);
  expect(out).toMatch(/Argument of type '"infer"' is not assignable to parameter of type '"train"'/);
});
