/** Programs that run as a reader runs them, and an empty folder with packages installed. */
import { execFile } from "node:child_process";
import { mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { inProject } from "../support/paths.ts";
import { readersEnvironment } from "../support/readme-blocks.ts";

export interface Packed {
  /** A temporary folder that is removed at the end. */
  readonly folder: string;
  /** Paths of the tarballs. */
  readonly sinter: string;
  readonly runtime: string;
  /** A folder in which both are installed, for tests that only add files to it. */
  readonly user: string;
  /** Why there is nothing of this. */
  readonly missing?: string;
}

/** The releases of Node that the packages are run with: the oldest that they promise, and a current one. */
export const nodes = [
  { name: "Node 22.12", path: inProject("test/package/node_modules/node-22/bin/node") },
  { name: "Node 24", path: inProject("node_modules/node/bin/node") },
] as const;
export const [oldestNode, currentNode] = nodes;

/** What TypeScript programs are compiled with. */
export const compilers = [
  ["TypeScript 7", inProject("node_modules/.bin/tsc")],
  // the oldest that has generic arrays
  ["TypeScript 5.7", inProject("test/package/node_modules/typescript-5/bin/tsc")],
] as const;

/** A program of the folder's `package.json`: "esbuild". */
export const tool = (name: string): string => inProject(`test/package/node_modules/.bin/${name}`);

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A shell's command in a folder, as a reader has it whose `node` is this one. */
export function shell(command: string, cwd: string, node: string = currentNode.path): Promise<Outcome> {
  const bin = mkdtempSync(join(cwd, ".bin-"));
  symlinkSync(node, join(bin, "node"));
  const own = readersEnvironment();
  const env = { ...own, PATH: `${bin}${delimiter}${own["PATH"]}` };
  return new Promise((done) =>
    execFile("bash", ["-ec", command], { cwd, env, maxBuffer: 1 << 26 }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code ?? 1), out, err }),
    ),
  );
}

/** What it prints; throws with all that it said where it fails. */
export async function output(command: string, cwd: string, node?: string): Promise<string> {
  const { code, out, err } = await shell(command, cwd, node);
  if (code !== 0) throw new Error(`${command}\nended with code ${code}\n${out}\n${err}`);
  return out;
}

/** A new folder below `within`, with nothing but these tarballs installed. */
export async function installedIn(
  within: string,
  tarballs: readonly string[],
  node?: string,
): Promise<string> {
  const folder = mkdtempSync(join(within, "user-"));
  writeFileSync(join(folder, "package.json"), '{ "name": "user", "private": true, "type": "module" }\n');
  await output(`npm install --prefer-offline --no-audit --no-fund ${tarballs.join(" ")}`, folder, node);
  return folder;
}
