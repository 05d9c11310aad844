/**
 * Whole bundles, kept beside the kernels: where the same compiler has made a bundle of the same model with
 * the same options before, the compiler is not loaded. What would not fit into memory was refused then.
 *
 * A bundle is kept as a line of JSON, the names of its files and their bytes, and the files one after the
 * other.
 */
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CompileOptions } from "../../../compiler/compile-options.ts";
import { COMPILER_VERSION, TOOLCHAIN } from "../../../compiler/9-bundle/version.ts";
import { concat } from "../../../runtime/base/bytes.ts";
import type { KeptBytes } from "../../../runtime/contract/kept-bytes.ts";
import type { Manifest, ModuleName } from "../../../runtime/contract/manifest.ts";
import type { Model } from "../../../runtime/contract/model.ts";
import { sha256 } from "../../../runtime/contract/sha256.ts";
import type { Bundle } from "../../../runtime/engine/bundle.ts";

let store: KeptBytes | undefined;

/** All bundles that this process makes from now on are looked for and kept there. Undefined: no more. */
export const keepBundles = (where: KeptBytes | undefined): void => void (store = where);

/** What bundles are made with. */
type BundleOptions = Omit<CompileOptions, "modules" | "dump">;

/** The bundle of a model. Throws a SinterError where it does not fit into memory. */
export async function bundleOf(
  model: Model,
  modules: readonly ModuleName[],
  options: BundleOptions,
): Promise<Bundle> {
  const name = store && !options.trains && (await nameOf(model, modules, options));
  const kept = name && (await store!.read(name));
  if (kept) return unpacked(kept);
  const [{ planAll }, { compileModel }] = await Promise.all([
    import("./memory-plan.ts"),
    import("../../../compiler/compile.ts"),
  ]);
  planAll(model, modules, options);
  const { manifest, files } = await compileModel(model, { ...options, modules });
  if (name) await store!.write(name, packed(files));
  return { manifest, files };
}

/** `options` have no function among them. */
async function nameOf(
  model: Model,
  modules: readonly ModuleName[],
  { tiles, ...options }: BundleOptions,
): Promise<string> {
  const about = [COMPILER_VERSION, TOOLCHAIN, sourcesHere(), model, modules, options, [...(tiles ?? [])]];
  return `${await sha256(JSON.stringify(about))}.bundle`;
}

/**
 * In a checkout a version says little of the compiler: names, sizes and times of its files do, and of what it
 * takes from the contract. Nothing in an installed package.
 */
function sourcesHere(): readonly string[] {
  const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");
  if (!existsSync(join(root, "compiler/compile.ts"))) return [];
  return ["compiler", "runtime/contract"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name))
      .map((path) => [path, statSync(path)] as const)
      .map(([path, { size, mtimeMs }]) => `${path} ${size} ${mtimeMs}`),
  );
}

type Files = Bundle["files"];

function packed(files: Files): Uint8Array<ArrayBuffer> {
  const names = [...files].map(([name, bytes]) => [name, bytes.length]);
  return concat([new TextEncoder().encode(`${JSON.stringify(names)}\n`), ...files.values()]);
}

function unpacked(all: Uint8Array<ArrayBuffer>): Bundle {
  let at = all.indexOf("\n".charCodeAt(0)) + 1;
  const names = JSON.parse(new TextDecoder().decode(all.subarray(0, at))) as [string, number][];
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [name, bytes] of names) files.set(name, all.slice(at, (at += bytes)));
  const manifest = JSON.parse(new TextDecoder().decode(files.get("manifest.json"))) as Manifest;
  return { manifest, files };
}
