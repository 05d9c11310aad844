/** What is in the tarballs, what linters of packages say of them, and how large they are. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { inProject } from "../support/paths.ts";
import { packed, packageTest as test } from "./installed.ts";
import { output, shell, tool } from "./programs.ts";

/**
 * Bytes at the most. Whoever makes a package larger looks at why, and raises the number. Of `sinter`, 4 MB
 * are the page: mostly the compiler of AssemblyScript, which its visitors load when they change a spec.
 */
const LIMITS = { sinter: 7_000_000, runtime: 1_400_000, sampler: 5_000, page: 5_000, thread: 300_000 };

const folder = packed.user;

const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`;

/** What a bundler makes of a program. */
async function bundled(program: string): Promise<number> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    stdin: { contents: program, resolveDir: folder },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]!.contents.length;
}

test("sizes", async () => {
  const sizes = {
    sinter: statSync(packed.sinter).size,
    runtime: statSync(packed.runtime).size,
    sampler: await bundled('export { sampleToken } from "@sinter/runtime";'),
    page: await bundled('export { openModel } from "@sinter/runtime/browser";'),
    thread: await bundled('import "@sinter/runtime/browser/model-worker";'),
  };
  console.log(
    `tarballs: sinter ${kilobytes(sizes.sinter)}, @sinter/runtime ${kilobytes(sizes.runtime)}; minified: ` +
      `sampleToken alone ${kilobytes(sizes.sampler)}, openModel ${kilobytes(sizes.page)}, ` +
      `its thread ${kilobytes(sizes.thread)}`,
  );
  for (const [name, most] of Object.entries(LIMITS)) {
    const size = sizes[name as keyof typeof LIMITS];
    expect(size, name).toBeLessThanOrEqual(most);
    expect(size, `${name}: lower its limit`).toBeGreaterThan(most / 2);
  }
});

describe.each(["sinter", "runtime"] as const)("%s", (name) => {
  test("publint has nothing to say", async () => {
    const [{ publint }, { formatMessage }] = [await import("publint"), await import("publint/utils")];
    const bytes = readFileSync(packed[name]);
    const { messages, pkg } = await publint({
      pack: { tarball: new Uint8Array(bytes).buffer },
      strict: true,
    });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test("attw finds types for every entry", async () => {
    const args = "--profile esm-only --format ascii --no-emoji --no-color";
    const { code, out, err } = await shell(`${tool("attw")} ${packed[name]} ${args}`, folder);
    const entries = [...out.matchAll(/^"(.*)"\n\nnode16 \(from ESM\): (.*)\nbundler: (.*)$/gm)].map(
      ([, entry, node16, bundler]) => ({ entry, node16: node16!.trim(), bundler: bundler!.trim() }),
    );
    console.table(entries);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(entries.length).toBeGreaterThan(4);
    for (const { node16, bundler } of entries) {
      expect(node16).toMatch(/^(?:OK \((?:ESM|JSON)\)|\(wildcard\))$/);
      expect(bundler).toMatch(/^(?:OK(?: \(JSON\))?|\(wildcard\))$/);
    }
  });

  test("has license and changes, no TypeScript but declarations, and maps with their sources", async () => {
    const files = (await output(`tar -tzf ${packed[name]}`, folder)).trim().split("\n");
    expect(files).toEqual(
      expect.arrayContaining(
        ["package.json", "LICENSE", "CHANGELOG.md", "README.md"].map((f) => `package/${f}`),
      ),
    );
    expect(files.filter((file) => /(?<!\.d)\.ts$/.test(file))).toEqual([]);
    const scripts = files.filter((file) => /\/dist\/(?!app\/playground\/page\/).*\.js$/.test(file));
    expect(scripts.length).toBeGreaterThan(100);
    expect(scripts.filter((file) => !files.includes(`${file}.map`))).toEqual([]);
    const at = join(folder, "node_modules", name === "sinter" ? name : "@sinter/runtime", "dist");
    const map = name === "sinter" ? "compiler/index.js.map" : "index.js.map";
    const { sources, sourcesContent } = JSON.parse(readFileSync(join(at, map), "utf8")) as {
      readonly sources: readonly string[];
      readonly sourcesContent: readonly string[];
    };
    expect(sources).toEqual([name === "sinter" ? "compiler/index.ts" : "runtime/index.ts"]);
    expect(sourcesContent[0]).toContain("export ");
  });
});

test("sinter holds no copy of the runtime, and depends on exactly its version", async () => {
  const files = (await output(`tar -tzf ${packed.sinter}`, folder)).trim().split("\n");
  expect(files.filter((file) => file.startsWith("package/dist/runtime"))).toEqual([]);
  const read = (path: string): { readonly version: string; readonly dependencies?: Record<string, string> } =>
    JSON.parse(readFileSync(join(folder, "node_modules", path, "package.json"), "utf8")) as never;
  const runtime = read("@sinter/runtime");
  expect(read("sinter").dependencies!["@sinter/runtime"]).toBe(runtime.version);
  expect(runtime.dependencies).toBeUndefined();
  const same =
    'Object.is((await import("sinter/runtime")).createModel, (await import("@sinter/runtime")).createModel)';
  expect(await output(`node --input-type=module -e 'console.log(${same})'`, folder)).toBe("true\n");
});

/** The machine's own Node may be too old for everything but the launcher. */
const machinesNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => existsSync(path));

test("npm ci in a fresh clone has nothing to warn of, whichever Node it runs under", async () => {
  const clone = mkdtempSync(join(packed.folder, "clone-"));
  mkdirSync(join(clone, "runtime"));
  for (const file of ["package.json", "package-lock.json", ".npmrc", "runtime/package.json"])
    copyFileSync(inProject(file), join(clone, file));
  const { code, out, err } = await shell("npm ci --dry-run --no-audit --no-fund", clone, machinesNode);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const said = out.split("\n").filter((line) => line !== "" && !/^add [\w@]/.test(line));
  expect(said).toEqual([expect.stringMatching(/^added \d+ packages in /)]);
  expect(Number(/added (\d+)/.exec(said[0]!)![1])).toBeLessThan(90);
});
