/**
 * Before the tests of the packages: installs what they need (package.json in this folder), builds both
 * packages and packs them into a temporary folder. Where the npm registry cannot be reached, all tests are
 * skipped, and say so.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { NO_NETWORK } from "../support/no-network.ts";
import { inProject, root } from "../support/paths.ts";
import { installedIn, type Packed } from "./programs.ts";

/** On a quiet machine with two cores. */
const BUDGET_SECONDS = 240;

export default async function setup(project: TestProject): Promise<() => void> {
  const began = Date.now();
  const folder = mkdtempSync(join(tmpdir(), "sinter-package-"));
  project.provide("packed", await packedInto(folder));
  return () => {
    rmSync(folder, { recursive: true, force: true });
    const seconds = Math.round((Date.now() - began) / 1000);
    console.log(`the tests of the packages took ${seconds} s of their ${BUDGET_SECONDS}`);
  };
}

async function packedInto(folder: string): Promise<Packed> {
  try {
    installTools();
    run(inProject("node_modules/.bin/tsc"), ["-p", "test/package"]);
    return await packedAndInstalled(folder);
  } catch (error) {
    const { message, stderr = "" } = error as { readonly message: string; readonly stderr?: string };
    const [why] = NO_NETWORK.exec(message + stderr) ?? [];
    if (why === undefined) throw error;
    const missing = `the npm registry cannot be reached (${why})`;
    return { folder, sinter: "", runtime: "", user: "", missing };
  }
}

async function packedAndInstalled(folder: string): Promise<Packed> {
  run(process.execPath, ["app/package/build.ts"]);
  const pack = (path: string): string => {
    const named = run("npm", ["pack", path, "--ignore-scripts", "--silent", "--pack-destination", folder]);
    return join(folder, named.trim());
  };
  const [sinter, runtime] = [pack("."), pack("./runtime")];
  return { folder, sinter, runtime, user: await installedIn(folder, [runtime, sinter]) };
}

/** Installs what only these tests need, unless it is there. */
function installTools(): void {
  const [lock, done] = ["package-lock.json", "node_modules/.package-lock.json"].map((name) =>
    inProject(`test/package/${name}`),
  );
  if (existsSync(done!) && statSync(done!).mtimeMs >= statSync(lock!).mtimeMs) return;
  run("npm", ["ci", "--prefix", "test/package", "--no-audit", "--no-fund", "--fetch-retries=1"]);
}

const run = (command: string, args: readonly string[]): string =>
  execFileSync(command, args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
