/**
 * Two foreign clients of the protocol, Neovim 0.7 and Emacs 28 with eglot, without a screen: both show what
 * `sinter check` says, rename a name and format a spec.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { ownProcess } from "../../support/own-process.ts";
import { inProject, SINTER } from "../../support/paths.ts";
import { BROKEN, toldByCheck, UNTIDY, type Told } from "./clients/specs.ts";

const script = (name: string): string => inProject(`test/app/editor/clients/${name}`);
const clients = {
  Neovim: {
    command: "nvim",
    args: ["--headless", "-u", "NONE", "-i", "NONE", "-n", "-c", `luafile ${script("neovim.lua")}`],
    ask: ["--version"],
    install: "apt-get install neovim",
  },
  Emacs: {
    command: "emacs",
    args: ["--batch", "-q", "-l", script("emacs.el")],
    ask: ["--batch", "-q", "--eval", "(progn (package-initialize) (require 'eglot))"],
    install: "apt-get install emacs-nox elpa-eglot",
  },
} as const;

type Answer =
  | { readonly failed: string }
  | { readonly broken: readonly Shown[]; readonly untidy: readonly Shown[]; readonly failed?: undefined };
type Shown = Omit<Told, "text"> & { readonly message: string };

const isHere = ({ command, ask }: (typeof clients)[keyof typeof clients]): boolean => {
  try {
    execFileSync(command, ask, { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

const byPlace = (a: Told, b: Told): number => a.line - b.line || a.column - b.column;
/** The message's first line is what `check` prints behind the code. */
const told = (shown: readonly Shown[]): Told[] =>
  shown.map(({ message, ...rest }) => ({ ...rest, text: message.split("\n")[0]! })).sort(byPlace);

for (const [name, client] of Object.entries(clients)) {
  const missing = isHere(client) ? undefined : `no ${name} here: ${client.install}`;
  if (missing !== undefined) console.warn(`skipped: ${missing}`);
  test.skipIf(missing !== undefined)(`${name} shows what check says, renames and formats`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "sinter-editor-"));
    const [broken, untidy, answer] = ["broken.sinter", "untidy.sinter", "answer.json"] as const;
    writeFileSync(join(folder, broken), BROKEN);
    writeFileSync(join(folder, untidy), UNTIDY);
    const expected = {
      broken: (await toldByCheck(folder, broken)).sort(byPlace),
      untidy: (await toldByCheck(folder, untidy)).sort(byPlace),
    };
    const env = {
      HOME: folder, // no configuration of whoever runs the tests
      XDG_CONFIG_HOME: folder,
      NODE: process.execPath,
      SINTER,
      BROKEN: broken,
      UNTIDY: untidy,
      OLD_NAME: "narrow",
      NEW_NAME: "inner",
      ANSWER: answer,
    };
    const { err } = await ownProcess(client.command, client.args, { cwd: folder, env }).ended;
    expect(existsSync(join(folder, answer)), err).toBe(true);
    const said = JSON.parse(readFileSync(join(folder, answer), "utf8")) as Answer;
    expect(said.failed, err).toBeUndefined();
    if (said.failed !== undefined) return;
    expect(told(said.broken)).toEqual(expected.broken);
    expect(told(said.untidy)).toEqual(expected.untidy);
    const renamed = UNTIDY.replaceAll(/(?<!😀 )narrow/g, "inner");
    // a file's line ends are the editor's: it keeps them
    const tidy = format(renamed).text!.replaceAll("\n", "\r\n");
    expect(readFileSync(join(folder, untidy), "utf8")).toBe(tidy);
    rmSync(folder, { recursive: true });
  });
}
