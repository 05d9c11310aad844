/** What the tests of the packages share: the tarballs, a test that may be skipped, README's examples. */
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { inject, test } from "vitest";
import { chromiumMissing } from "../../bench/measure/chromium.ts";
import { inProject } from "../support/paths.ts";
import type { Packed } from "./programs.ts";

declare module "vitest" {
  interface ProvidedContext {
    packed: Packed;
  }
}

export const packed = inject("packed");

/** A test that is skipped, with its reason, where the packages could not be installed. */
export const packageTest = packed.missing === undefined ? test : test.skip;
if (packed.missing !== undefined) console.warn(`skipped, all of them: ${packed.missing}`);

/** Why there is no browser here; undefined: there is one. */
export const noBrowser = chromiumMissing();
/** A test that needs a browser too. */
export const pageTest = noBrowser === undefined ? packageTest : packageTest.skip;
if (noBrowser !== undefined) console.warn(`skipped, what needs a browser: ${noBrowser}`);

/** A folder of a test's own from which the packages of `packed.user` are found. */
export function folderOfUser(name: string): string {
  const folder = join(packed.user, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Makes a package that only these tests have one that the packages' user has too. */
export function installTool(name: string): void {
  symlinkSync(inProject(`test/package/node_modules/${name}`), join(packed.user, `node_modules/${name}`));
}

/** The program of README: what stands between ```ts and ``` after the mark. */
export function exampleIn(text: string, mark: string): string {
  const found = text.split(`<!-- ${mark} -->\n`)[1]?.match(/```\w+\n([\s\S]*?)\n```/)?.[1];
  if (found === undefined) throw new Error(`no example is marked <!-- ${mark} -->`);
  return `${found}\n`;
}
