/** Before the tests of the page: `sinter playground`, which builds it where that is needed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { TestProject } from "vitest/node";
import { root, SINTER } from "../support/paths.ts";

export interface ServedPage {
  readonly url: string;
  /** The folder of its files. */
  readonly folder: string;
}

declare module "vitest" {
  interface ProvidedContext {
    readonly page: ServedPage;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = spawn(process.execPath, [SINTER, "playground", "--port", "0", "--json"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(server, "close");
  const [line] = (await Promise.race([
    once(createInterface(server.stdout), "line"),
    ended.then(() => Promise.reject(new Error("`sinter playground` has ended: see above"))),
  ])) as [string];
  const { url, folder } = JSON.parse(line) as ServedPage;
  project.provide("page", { url, folder });
  return async () => {
    server.kill("SIGINT");
    await ended;
  };
}
