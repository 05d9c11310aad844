/** The examples for esbuild and webpack, from the packed packages, by their own scripts, in Chromium. */
import { cpSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect } from "vitest";
import { inChromium } from "../../bench/measure/chromium.ts";
import { inProject } from "../support/paths.ts";
import { folderOfUser, installTool, packed, pageTest } from "./installed.ts";
import { output } from "./programs.ts";

const LIMIT_MS = 120_000;
let run: string;

/** Makes up a name, and returns what the page says. */
const PROGRAM = `export default async () => {
  const frame = document.createElement("iframe");
  frame.src = "/index.html";
  document.body.append(frame);
  const find = (what) => frame.contentDocument.querySelector(what);
  const until = async (is) => {
    while (!is()) await new Promise((again) => setTimeout(again, 20));
  };
  await until(() => find("button")?.disabled === false);
  find("button").click();
  await until(() => find("li")?.textContent.length > "prim".length);
  return { status: find("#status").textContent, name: find("li").textContent };
};`;

beforeAll(async () => {
  if (packed.missing !== undefined) return;
  for (const name of ["esbuild", "webpack"]) installTool(name);
  symlinkSync(inProject("node_modules/.bin/tsc"), join(packed.user, "node_modules/.bin/tsc"));
  const folder = exampleOf("esbuild");
  await output("npm run --silent train", folder);
  run = join(folder, "site/run");
});

function exampleOf(name: string): string {
  const folder = folderOfUser(`example-${name}`);
  cpSync(inProject(`app/examples/${name}`), folder, { recursive: true });
  return folder;
}

pageTest.for(["esbuild", "webpack"])("%s", async (name) => {
  const folder = exampleOf(name);
  await output("npm run --silent model && npm run --silent build", folder);
  const site = join(folder, "site");
  if (!run.startsWith(site)) cpSync(run, join(site, "run"), { recursive: true });
  expect(await inChromium({ program: PROGRAM, folder: site, limitMs: LIMIT_MS })).toEqual({
    status: "117,376 parameters, relaxed",
    name: expect.stringMatching(/^prim\S+$/),
  });
});
