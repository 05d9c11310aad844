/** Compiled kernels are kept: the right ones, for their user alone, whole or not at all, within a bound. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { asStarted } from "../../../../app/cli/main.ts";
import {
  kernelCache,
  kernelCacheWhenAsked,
  kernelFolder,
  kernelsKept,
} from "../../../../app/cli/terminal/kernel-folder.ts";
import { assemble } from "../../../../compiler/9-bundle/assemble.ts";
import { throughCache, useKernelCache, type Recipe } from "../../../../compiler/9-bundle/kernel-cache.ts";
import { TOOLCHAIN } from "../../../../compiler/9-bundle/version.ts";
import { addressOf, inProject, root } from "../../../support/paths.ts";

const used = kernelFolder();
afterEach(() => useKernelCache(used === undefined ? undefined : kernelCache(used)));

const newFolder = (): string => join(mkdtempSync(join(tmpdir(), "kernels-")), "kept");
const name = (digit: string): string => `${digit.repeat(64)}.wasm`;
const recipe = (source: string): Recipe => ({ source, target: "simd", arguments: [], passes: [] });
const bytes = (length: number): Uint8Array<ArrayBuffer> => new Uint8Array(length).fill(7);

test("the tools that make wasm are those of package.json", () => {
  const { dependencies } = JSON.parse(readFileSync(inProject("package.json"), "utf8"));
  expect(TOOLCHAIN).toBe(`assemblyscript ${dependencies.assemblyscript}, binaryen ${dependencies.binaryen}`);
});

test("the same source is compiled once, another anew; the bytes are the compiler's", async () => {
  const source = "export function add(a: i32, b: i32): i32 { return a + b; }";
  useKernelCache(undefined);
  const fresh = await assemble(source, "simd", 1);
  const folder = newFolder();
  useKernelCache(kernelCache(folder));
  for (let i = 0; i < 2; i++) expect(await assemble(source, "simd", 1)).toEqual(fresh);
  expect(kernelsKept(folder).files).toBe(1);
  await assemble(source, "relaxed", 1);
  await assemble(source, "simd", 2);
  await assemble(source.replace("+", "-"), "simd", 1);
  expect(kernelsKept(folder).files).toBe(4);
});

test("what was kept is not compiled", async () => {
  useKernelCache(kernelCache(newFolder()));
  let compiled = 0;
  const compile = async (): Promise<Uint8Array<ArrayBuffer>> => bytes(++compiled);
  expect(await throughCache(recipe("a"), compile)).toEqual(bytes(1));
  expect(await throughCache(recipe("a"), compile)).toEqual(bytes(1));
  expect(await throughCache(recipe("b"), compile)).toEqual(bytes(2));
});

test("what is not kept is compiled beside, where that can be done", async () => {
  useKernelCache(kernelCache(newFolder()), async ({ source }) => (source === "a" ? bytes(3) : undefined));
  const here = async (): Promise<Uint8Array<ArrayBuffer>> => bytes(4);
  expect(await throughCache(recipe("a"), here)).toEqual(bytes(3));
  expect(await throughCache(recipe("b"), here)).toEqual(bytes(4));
  useKernelCache(undefined);
  expect(await throughCache(recipe("a"), here)).toEqual(bytes(4));
});

test("folder and files are the user's alone; a folder that others write into is not used", async () => {
  const folder = newFolder();
  await kernelCache(folder)!.write(name("a"), bytes(10));
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, name("a"))).mode & 0o777).toBe(0o600);
  chmodSync(folder, 0o777);
  expect(kernelCache(folder)).toBeUndefined();
  writeFileSync(`${folder}.file`, "");
  expect(kernelCache(`${folder}.file`)).toBeUndefined();
});

test.each([
  ["shortened", (kept: Uint8Array) => kept.slice(0, -1)],
  ["one bit changed", (kept: Uint8Array) => kept.map((byte, i) => (i === 40 ? byte ^ 1 : byte))],
  ["empty", () => new Uint8Array()],
])("a damaged file counts as absent: %s", async (_, damaged) => {
  const folder = newFolder();
  const cache = kernelCache(folder)!;
  await cache.write(name("a"), bytes(100));
  const path = join(folder, name("a"));
  writeFileSync(path, damaged(new Uint8Array(readFileSync(path))));
  expect(await cache.read(name("a"))).toBeUndefined();
  await cache.write(name("a"), bytes(100));
  expect(await cache.read(name("a"))).toEqual(bytes(100));
});

test("beyond the bound, what was used longest ago goes; files of others stay", async () => {
  const folder = newFolder();
  const cache = kernelCache(folder, 10_000)!;
  writeFileSync(join(folder, "letter.txt"), bytes(20_000));
  for (const [i, digit] of ["a", "b", "c", "d"].entries()) {
    await cache.write(name(digit), bytes(2000));
    utimesSync(join(folder, name(digit)), i, i);
  }
  expect(await cache.read(name("a"))).toEqual(bytes(2000)); // used now
  await cache.write(name("e"), bytes(2000));
  expect(kernelsKept(folder).bytes).toBeLessThanOrEqual(10_000);
  const kept = readdirSync(folder).map((file) => file[0]);
  expect(kept).toEqual(["a", "c", "d", "e", "l"]);
});

test("the folder is made when something is compiled, and not before", async () => {
  const folder = newFolder();
  const cache = kernelCacheWhenAsked(folder);
  expect(existsSync(folder)).toBe(false);
  await cache.write(name("a"), bytes(10));
  expect(await cache.read(name("a"))).toEqual(bytes(10));
  chmodSync(folder, 0o777);
  expect(await kernelCacheWhenAsked(folder).read(name("a"))).toBeUndefined();
});

test("several programs write at once, and all read what is whole", () => {
  const folder = newFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const script = `
    import { kernelCache } from ${JSON.stringify(addressOf("app/cli/terminal/kernel-folder.ts"))};
    const cache = kernelCache(${JSON.stringify(folder)}, 300_000);
    let wrong = 0;
    for (let i = 0; i < 60; i++) {
      const name = String(i % 5).repeat(64) + ".wasm";
      await cache.write(name, new Uint8Array(50_000).fill(i % 5));
      const read = await cache.read(name);
      if (read && (read.length !== 50_000 || read.some((byte) => byte !== i % 5))) wrong++;
    }
    process.stdout.write(String(wrong));`;
  const each = `"$0" --disable-warning=ExperimentalWarning --input-type=module -e "$1"`;
  const three = `for i in 1 2 3; do ${each} & done; wait`;
  expect(execFileSync("sh", ["-c", three, process.execPath, script], { encoding: "utf8", cwd: root })).toBe(
    "000",
  );
  expect(readdirSync(folder).filter((file) => file.endsWith(".tmp"))).toEqual([]);
});

test("the folder is named by a variable, or is the system's for caches; off keeps nothing", () => {
  expect(kernelFolder({ SINTER_KERNEL_CACHE: "/somewhere" })).toBe("/somewhere");
  expect(kernelFolder({ SINTER_KERNEL_CACHE: "off" })).toBeUndefined();
  if (process.platform === "linux") {
    expect(kernelFolder({ XDG_CACHE_HOME: "/caches" })).toBe("/caches/sinter/kernels");
    expect(kernelFolder({ XDG_CACHE_HOME: "relative" })).toMatch(/\.cache\/sinter\/kernels$/);
  }
});

test("--no-cache before the verb keeps nothing", () => {
  const environment = { SINTER_KERNEL_CACHE: "/somewhere" };
  const train = ["train", "a.sinter"];
  expect(asStarted(["--no-cache", ...train], environment)).toEqual({ argv: train, kernels: undefined });
  expect(asStarted(train, environment)).toEqual({ argv: train, kernels: "/somewhere" });
});
