/**
 * The folder of the built page. The package `sinter` has it. A checkout builds it where it is missing or
 * older than what it is made of: the page's own packages are installed first, then Vite runs, in processes of
 * their own that say how far they are.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SinterError } from "../../../runtime/base/errors.ts";
import { EXTENSION } from "../../../runtime/node/page-server.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const PLAYGROUND = join(root, "app/playground");
/** What it is made of. */
const SOURCES = ["app/playground", "app/teaching", "app/vite", "compiler", "runtime", "specs"];

/** `say` hears lines for people, and what the processes write. */
export async function builtPage(say: (line: string) => void): Promise<string> {
  if (EXTENSION === ".js") return fileURLToPath(new URL("../page/", import.meta.url));
  const built = join(PLAYGROUND, "dist");
  if (newest(built, "index.html") > Math.max(...SOURCES.map((folder) => newestIn(join(root, folder)))))
    return built;
  await buildPage(built, say);
  return built;
}

/** Builds the page of a checkout in a folder, which is there as a whole or as it was. */
export async function buildPage(folder: string, say: (line: string) => void): Promise<void> {
  await installPackages(say);
  say("Building the page …");
  const unfinished = `${folder}.${process.pid}`;
  try {
    const vite = join(PLAYGROUND, "node_modules/vite/bin/vite.js");
    await runTo(say, process.execPath, [vite, "build", "--outDir", unfinished, "--logLevel", "error"]);
    rmSync(folder, { recursive: true, force: true });
    renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}

/** Installs what the page needs to be built, unless the lock file's versions are there. */
async function installPackages(say: (line: string) => void): Promise<void> {
  if (isInstalled()) return;
  say("Installing the packages of the page (app/playground) …");
  await runTo(say, "npm", ["ci", "--no-audit", "--no-fund"]);
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string }>>;
}

/** Of packages for other systems, npm installs none. */
function isInstalled(): boolean {
  const [lock, done] = ["package-lock.json", "node_modules/.package-lock.json"].map((path) =>
    join(PLAYGROUND, path),
  );
  if (!existsSync(done!)) return false;
  const read = (path: string) => (JSON.parse(readFileSync(path, "utf8")) as LockFile).packages;
  const [wanted, found] = [read(lock!), read(done!)];
  return (
    Object.hasOwn(found, "node_modules/vite") &&
    Object.entries(found).every(([path, { version }]) => !wanted[path] || wanted[path].version === version)
  );
}

/** Runs a program in the page's folder. */
async function runTo(say: (line: string) => void, command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { cwd: PLAYGROUND, stdio: ["ignore", "pipe", "pipe"] });
  let last = "";
  for (const output of [child.stdout, child.stderr])
    output.setEncoding("utf8").on("data", (text: string) => {
      last = (last + text).slice(-4000);
      for (const line of text.split("\n").filter((each) => each.trim() !== "")) say(line);
    });
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once("close", resolve).once("error", reject);
  const code = await promise.catch((cause: Error) => cause.message);
  if (code === 0) return;
  throw new SinterError(
    "input",
    `the page could not be built: ${command} ended with ${code}\n${last}`.trim(),
    "In a checkout, npm ci in app/playground needs the npm registry once",
  );
}

const notSources = /(?:^|[/\\])(?:node_modules|dist[^/\\]*)(?:[/\\]|$)/;

/** When the newest file or folder in a folder was changed, in ms. */
const newestIn = (folder: string): number =>
  Math.max(
    0,
    ...readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((path) => !notSources.test(path))
      .map((path) => newest(folder, path)),
  );

const newest = (folder: string, path: string): number =>
  statSync(join(folder, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
