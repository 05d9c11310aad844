/** The plugin in Vite itself: its development server, what it runs in Node, and a build. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, createServer, type InlineConfig, type ViteDevServer } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sinter } from "../../../app/vite/index.ts";
import { createModel, type LinkedBundle } from "../../../runtime/index.ts";
import { nodeHost } from "../../../runtime/node/host.ts";

const SPEC = `model small {
  context 8   width 16   layers 1   heads 2
  embed token + position
  layer {
    x += attention(layernorm(x))
  }
  output linear(layernorm(x))
  tokenizer bytes
}
`;
let root: string;
const spec = (): string => join(root, "small.sinter");
const config = (): InlineConfig => ({
  root,
  configFile: false,
  logLevel: "silent",
  plugins: [sinter({ targets: ["simd"], isolate: true })],
});

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "sinter-vite-"));
  writeFileSync(spec(), SPEC);
  writeFileSync(join(root, "main.js"), 'import small from "./small.sinter";\nglobalThis.small = small;\n');
  writeFileSync(join(root, "index.html"), '<script type="module" src="/main.js"></script>');
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("the development server", () => {
  let server: ViteDevServer;
  beforeAll(async () => {
    server = await createServer({ ...config(), server: { host: "127.0.0.1", port: 0, watch: null } });
    await server.listen();
  });
  afterAll(() => server.close());

  test("serves a module with the manifest, and the kernels that it names", async () => {
    const [address] = server.resolvedUrls!.local;
    const { code } = (await server.transformRequest("/small.sinter"))!;
    const path = /"(\/@sinter\/[0-9a-f]{64}\/infer\.simd\.wasm)"/.exec(code)![1]!;
    const answer = await fetch(new URL(path, address));
    expect(answer.headers.get("content-type")).toBe("application/wasm");
    expect(WebAssembly.validate(await answer.arrayBuffer())).toBe(true);
    expect((await fetch(new URL("/", address))).headers.get("cross-origin-opener-policy")).toBe(
      "same-origin",
    );
    expect(code).not.toContain("train.simd.wasm");
  });

  test("gives programs in Node a bundle that runs", async () => {
    const { default: bundle } = (await server.ssrLoadModule("/small.sinter?train")) as {
      readonly default: LinkedBundle;
    };
    const model = await createModel(bundle, "train", { host: nodeHost, workers: 1, seed: 1 });
    expect(model.manifest.model.name).toBe("small");
    expect((await model.feed([1, 2, 3], 0)).length).toBe(256);
    await model.close();
  });

  test("writes types beside the spec, once", async () => {
    const types = join(root, "small.d.sinter.ts");
    expect(readFileSync(types, "utf8")).toContain('| "layers.attention.qkv.weight"');
    expect(existsSync(join(root, "small.sinter-train.d.ts"))).toBe(true);
    const { mtimeMs } = statSync(types);
    server.environments.client.moduleGraph.invalidateAll();
    await server.transformRequest("/small.sinter");
    expect(statSync(types).mtimeMs).toBe(mtimeMs);
  });

  test("says what is wrong with a spec, and where", async () => {
    writeFileSync(spec(), SPEC.replace("heads 2", "heads 3"));
    server.environments.client.moduleGraph.invalidateAll();
    const error = await server.transformRequest("/small.sinter").catch((cause: unknown) => cause);
    writeFileSync(spec(), SPEC);
    expect(error).toMatchObject({
      message: expect.stringContaining("(E0203)"),
      plugin: "vite-plugin-sinter",
      loc: { file: spec(), line: 2, column: 43 },
      frame: expect.stringContaining("heads 3\n"),
    });
  });
});

test("a build has the kernels among its assets", async () => {
  await build({ ...config(), build: { outDir: "dist" } });
  const assets = readdirSync(join(root, "dist/assets"));
  const wasm = assets.find((name) => name.endsWith(".wasm"))!;
  expect(wasm).toMatch(/^small\.infer\.simd-.*\.wasm$/);
  const program = assets.find((name) => name.endsWith(".js"))!;
  expect(readFileSync(join(root, "dist/assets", program), "utf8")).toContain(wasm);
});
