/**
 * Before the tests of the page: `sinter playground`, which builds it where that is needed. Where its packages
 * are not installed and the npm registry cannot be reached, `missing` says so.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";
import { NO_NETWORK } from "../support/no-network.ts";
import { root, SINTER } from "../support/paths.ts";

export interface ServedPage {
  readonly url: string;
  /** The folder of its files. */
  readonly folder: string;
  readonly missing?: string;
}

declare module "vitest" {
  interface ProvidedContext {
    readonly page: ServedPage;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = spawn(process.execPath, [SINTER, "playground", "--port", "0", "--json"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  server.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
    process.stderr.write(text);
  });
  const ended = once(server, "close");
  const line = await Promise.race([once(createInterface(server.stdout), "line"), ended.then(() => [])]);
  project.provide(
    "page",
    line[0] === undefined ? unbuilt(said) : (JSON.parse(String(line[0])) as ServedPage),
  );
  return async () => {
    server.kill("SIGINT");
    await ended;
  };
}

function unbuilt(said: string): ServedPage {
  const [why] = NO_NETWORK.exec(said) ?? [];
  if (why === undefined) throw new Error("`sinter playground` has ended: see above");
  return { url: "", folder: "", missing: `the npm registry cannot be reached (${why})` };
}
