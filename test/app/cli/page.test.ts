/** `sinter page`: what a page is given, what is refused, how it ends. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runtimeFiles, startPageServer, writeRuntime } from "../../../runtime/node/page-server.ts";
import { inside as runInside } from "../../support/inside.ts";
import { SINTER as launcher } from "../../support/paths.ts";

const folder = mkdtempSync(join(tmpdir(), "sinter-page-verb-"));
beforeAll(() => {
  mkdirSync(join(folder, "bundle"));
  writeFileSync(join(folder, "bundle/manifest.json"), "{}");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

/** The path as it is: no URL is tidied up on the way. */
function get(url: string, path: string, host?: string): Promise<Answer> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port, path, setHost: host === undefined, ...(host && { headers: { host } }) },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => (text += part));
        response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      },
    );
    asked.on("error", reject).end();
  });
}

describe("the runtime as JavaScript", () => {
  test("is whole: every file that one of them names is among them, and nothing of Node's is", () => {
    const to = join(folder, "written");
    const files = runtimeFiles();
    expect(writeRuntime(to)).toBe(files.length);
    expect(
      readdirSync(to, { recursive: true, encoding: "utf8" })
        .filter((f) => f.endsWith(".js"))
        .sort(),
    ).toEqual([...files].sort());
    for (const file of files) {
      const text = readFileSync(join(to, file), "utf8");
      for (const [, target] of text.matchAll(
        /^(?:import|export)\s[^'"]*?from\s+["']([^"']+)["']|import\(["']([^"']+)["']\)/gm,
      )) {
        if (target === undefined) continue;
        expect(target, `${file} imports ${target}`).toMatch(/^\.{1,2}\//);
        expect(files, `${file} imports ${target}`).toContain(posix.join(posix.dirname(file), target));
      }
    }
  });
});

describe("the server", () => {
  let url: string;
  let close: () => void;
  beforeAll(async () => {
    const started = await startPageServer({ folder, port: 0 });
    url = started.url;
    close = () => started.server.close();
  });
  afterAll(() => close());

  test("gives the example page, the folder's files, and the headers for threads", async () => {
    const page = await get(url, "/");
    expect(page).toMatchObject({ status: 200, text: expect.stringContaining("Sinter in a page") as unknown });
    expect(page.headers).toMatchObject({
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
    });
    expect(await get(url, "/bundle/manifest.json")).toMatchObject({ status: 200, text: "{}" });
    expect((await get(url, "/sinter/browser/index.js")).text).toContain("export");
  });

  test.each([
    ["/../../../etc/passwd", 404],
    ["/%2e%2e/%2e%2e/etc/passwd", 404],
    ["/%", 400],
    ["/a%00b", 400],
    ["/nothing", 404],
    ["/sinter/node/pool.js", 404],
  ])("answers %s with %d, and lives", async (path, status) => {
    expect((await get(url, path)).status).toBe(status);
    expect((await get(url, "/")).status).toBe(200);
  });

  test("answers to its own names alone", async () => {
    for (const host of ["localhost", "localhost:80", "127.0.0.1:8080", "[::1]:1"])
      expect((await get(url, "/", host)).status, host).toBe(200);
    for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:80"])
      expect((await get(url, "/", host)).status, host).toBe(403);
  });
});

describe("the verb", () => {
  async function inside(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
    return runInside(args, folder);
  }

  test.each(["SIGINT", "SIGTERM"] as const)("serves until %s, and that is no failure", async (signal) => {
    const child = spawn(process.execPath, [launcher, "page", folder, "--port", "0", "--json"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    const line = await new Promise<string>((resolve) =>
      child.stdout.setEncoding("utf8").once("data", resolve),
    );
    const { url } = JSON.parse(line) as { url: string };
    expect((await get(url, "/")).status).toBe(200);
    child.kill(signal);
    expect(await ended).toBe(0);
  });

  test("ends when the shell that npx has put between ends", async () => {
    const env = { ...process.env, npm_command: "exec" };
    const shell = spawn(
      "sh",
      ["-c", '"$0" "$1" page "$2" --port 0 --json; exit $?', process.execPath, launcher, folder],
      { stdio: ["ignore", "pipe", "inherit"], env },
    );
    const line = await new Promise<string>((resolve) =>
      shell.stdout.setEncoding("utf8").once("data", resolve),
    );
    const { url } = JSON.parse(line) as { url: string };
    expect((await get(url, "/")).status).toBe(200);
    // the server holds the other end
    const closed = new Promise((resolve) => shell.stdout.once("close", resolve));
    shell.kill("SIGTERM");
    await closed;
    await expect(get(url, "/")).rejects.toThrow();
  });

  test("says what is wrong", async () => {
    const { server, url } = await startPageServer({ folder, port: 0 });
    const taken = await inside("page", "--port", new URL(url).port);
    server.close();
    expect(taken).toMatchObject({
      code: 1,
      err: expect.stringMatching(/port \d+ is taken\nhelp: .*--port 0/) as unknown,
    });
    expect(await inside("page", "nowhere")).toMatchObject({
      code: 1,
      err: expect.stringContaining("there is no folder") as unknown,
    });
    expect(await inside("page", "--port", "99999")).toMatchObject({ code: 2 });
    expect((await inside("page", "--out", "js")).out).toMatch(
      /^\d+ files in js: import \{ openModel \} from ".\/js\/browser\/index.js"\n$/,
    );
  });
});
