/**
 * What editors are given: the extension for VS Code, built from its folder as its README says, has in it what
 * it names; and the installed package is a language server.
 */
import { execFile } from "node:child_process";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { inProject } from "../support/paths.ts";
import { folderOfUser, packed, packageTest as test } from "./installed.ts";
import { oldestNode, output } from "./programs.ts";

interface Extension {
  readonly version: string;
  readonly main: string;
  readonly contributes: {
    readonly languages: readonly {
      readonly configuration: string;
      readonly icon: { readonly light: string };
    }[];
    readonly grammars: readonly { readonly path: string }[];
  };
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, "utf8")) as T;

test("the extension is packed, with all that its package.json names", async () => {
  const folder = folderOfUser("vscode");
  cpSync(inProject("app/editor/vscode"), folder, {
    recursive: true,
    filter: (path) => !/[/\\](?:node_modules|dist)$/.test(path),
  });
  await output("npm ci --no-audit --no-fund && npm run types && npm run package", folder);
  const extension = readJson<Extension>(join(folder, "package.json"));
  expect(extension.version).toBe(readJson<Extension>(inProject("package.json")).version);
  const { languages, grammars } = extension.contributes;
  const named = [
    "./package.json",
    extension.main,
    ...languages.flatMap(({ configuration, icon }) => [configuration, icon.light]),
    ...grammars.map(({ path }) => path),
  ];
  const archived = namesInZip(readFileSync(join(folder, "sinter.vsix")));
  expect(archived).toEqual(expect.arrayContaining(named.map((path) => join("extension", path))));
  // and neither sources nor packages
  expect(archived.filter((name) => /\.ts$|node_modules/.test(name))).toEqual([]);
});

test("the installed package speaks the protocol, and nothing else", async () => {
  const message = (body: object): string => {
    const text = JSON.stringify({ jsonrpc: "2.0", ...body });
    return `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
  };
  const conversation = [
    message({ id: 1, method: "initialize", params: { processId: null, rootUri: null, capabilities: {} } }),
    message({ method: "textDocument/didOpen", params: { textDocument: opened("model a { widht 8 }") } }),
    message({ id: 2, method: "shutdown" }),
    message({ method: "exit" }),
  ];
  const said = await new Promise<string>((done) => {
    const args = [join(packed.user, "node_modules/sinter/sinter.js"), "lsp", "--stdio"];
    const { stdin } = execFile(oldestNode.path, args, (_, out) => done(out));
    stdin!.write(conversation.join("")); // and stays open: the server ends by itself
  });
  const bodies = said.split(/Content-Length: \d+\r\n\r\n/);
  expect(bodies.shift()).toBe("");
  const [started, mistakes, ended] = bodies.map((body) => JSON.parse(body) as { readonly params?: unknown });
  expect(started).toMatchObject({ id: 1, result: { serverInfo: { name: "sinter" } } });
  expect(mistakes).toMatchObject({ method: "textDocument/publishDiagnostics" });
  expect(JSON.stringify(mistakes!.params)).toMatch(/dist\/compiler\/LANGUAGE.md#L\d+.*did you mean `width`/);
  expect(ended).toMatchObject({ id: 2, result: null });
});

const opened = (text: string): object => ({
  uri: "file:///a.sinter",
  languageId: "sinter",
  version: 1,
  text,
});

const CENTRAL_ENTRY = 0x02014b50;

/** From the list at the archive's end: each entry has 46 bytes, then its name, extra bytes and a comment. */
function namesInZip(zip: Buffer): string[] {
  const names: string[] = [];
  const list = zip.readUInt32LE(zip.lastIndexOf("PK\u0005\u0006") + 16);
  for (let at = list; zip.readUInt32LE(at) === CENTRAL_ENTRY;) {
    const [name, extra, comment] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field)) as [
      number,
      number,
      number,
    ];
    names.push(zip.toString("utf8", at + 46, at + 46 + name));
    at += 46 + name + extra + comment;
  }
  return names;
}
