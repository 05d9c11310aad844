/** What the language server says while one writes: hovers, hints, completions, corrections. */
import {
  CodeActionRequest,
  CodeLensRefreshRequest,
  CodeLensRequest,
  CompletionRequest,
  ConfigurationRequest,
  ExecuteCommandRequest,
  HoverRequest,
  InlayHintRequest,
  ShowDocumentRequest,
  ShowMessageNotification,
  type CodeAction,
  type CompletionItem,
  type Diagnostic,
  type Range,
  type TextEdit,
} from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { afterEach, expect, test } from "vitest";
import { plainText } from "../../../app/editor/lsp/completions.ts";
import { referenceOf } from "../../../app/editor/lsp/reference.ts";
import { check } from "../../../compiler/index.ts";
import { analyse } from "../../../compiler/language-service/analyse.ts";
import { exactBytes } from "../../../compiler/language-service/exact-bytes.ts";
import { sizeText } from "../../../runtime/contract/amounts.ts";
import { nodeHost } from "../../../runtime/node/host.ts";
import { shippedSpec } from "../../support/paths.ts";
import { editor, textDocument, uri, type Editor } from "./clients/protocol.ts";
import { BROKEN } from "./clients/specs.ts";

let it: Editor | undefined;
afterEach(() => it?.leave("politely"));

async function opened(text: string, ...how: Parameters<typeof editor>): Promise<readonly Diagnostic[]> {
  it = await editor(...how);
  const first = it.diagnostics(() => true);
  it.open(text);
  return (await first).diagnostics;
}
const documentOf = (text: string): TextDocument => TextDocument.create(uri, "sinter", 1, text);
const whole = (text: string): Range => ({
  start: { line: 0, character: 0 },
  end: documentOf(text).positionAt(text.length),
});
const codesOf = (text: string): string[] => check(text).diagnostics.map(({ code }) => code);

test("a hover says what stands there, and where it begins and ends", async () => {
  const text = shippedSpec("tiny");
  await opened(text);
  const at = text.indexOf("attention(");
  const position = documentOf(text).positionAt(at + 1);
  const hover = await it!.connection.sendRequest(HoverRequest.type, { textDocument, position });
  expect(hover!.contents).toEqual({ kind: "markdown", value: analyse(text).hover(at + 1)!.markdown });
  expect(documentOf(text).getText(hover!.range)).toMatch(/^attention/);
});

test("hints are those that the editor's settings want", async () => {
  const text = shippedSpec("tiny");
  await opened(text, { workspace: { configuration: true } });
  let switches: object | null = null;
  it!.connection.onRequest(ConfigurationRequest.type, ({ items }) => {
    expect(items).toEqual([{ section: "sinter.inlayHints" }]);
    return [switches];
  });
  const asked = { textDocument, range: whole(text) };
  const all = await it!.connection.sendRequest(InlayHintRequest.type, asked);
  const hints = analyse(text).inlayHints();
  expect(new Set(hints.map(({ kind }) => kind)).size).toBeGreaterThan(1);
  expect(all!.map(({ label }) => label)).toEqual(hints.map((hint) => hint.text));
  switches = { shape: false };
  const some = await it!.connection.sendRequest(InlayHintRequest.type, asked);
  expect(some!.map(({ label }) => label)).toEqual(
    hints.filter(({ kind }) => kind !== "shape").map((hint) => hint.text),
  );
});

test("completions take the place of the word that was begun, best first", async () => {
  const text = shippedSpec("tiny").replace("layernorm(x)", "layern");
  await opened(text, { textDocument: { completion: { completionItem: { snippetSupport: true } } } });
  const position = documentOf(text).positionAt(text.indexOf("layern") + "layern".length);
  const asked = { textDocument, position };
  const items = (await it!.connection.sendRequest(CompletionRequest.type, asked)) as CompletionItem[];
  const part = items.find(({ label }) => label === "layernorm")!;
  expect(part.insertTextFormat).toBe(2); // a snippet
  const done = TextDocument.applyEdits(documentOf(text), [part.textEdit as TextEdit]);
  expect(done).toContain("attention(layernorm(${1:x})");
  const ranks = items.map(({ sortText }) => sortText!);
  expect(ranks).toEqual(ranks.toSorted());
  expect(plainText("a(${1:x}, ${2}) \\$ ${3:\\}}$0")).toBe("a(x, ) $ }");
});

test("a correction mends its mistake; a code is explained by its place in the reference", async () => {
  const diagnostics = await opened(BROKEN, { window: { showDocument: { support: true } } });
  const misspelt = diagnostics.find(({ code }) => code === "E0202")!;
  const asked = { textDocument, range: misspelt.range, context: { diagnostics: [misspelt] } };
  const actions = (await it!.connection.sendRequest(CodeActionRequest.type, asked)) as CodeAction[];
  const correction = actions.find(({ diagnostics: fixed }) => fixed?.[0]?.code === "E0202")!;
  expect(correction).toMatchObject({ kind: "quickfix", isPreferred: true, diagnostics: [misspelt] });
  const mended = TextDocument.applyEdits(documentOf(BROKEN), correction.edit!.changes![uri]!);
  expect(codesOf(BROKEN)).toContain("E0202");
  expect(codesOf(mended)).not.toContain("E0202");

  const { command, arguments: given } = actions.find((action) => action.command)!.command!;
  const shown = new Promise((show) => {
    it!.connection.onRequest(ShowDocumentRequest.type, (params) => {
      show(params.uri);
      return { success: true };
    });
  });
  await it!.connection.sendRequest(ExecuteCommandRequest.type, { command, arguments: given! });
  expect(await shown).toBe(referenceOf("E0202"));

  const refactorings = { ...asked, context: { diagnostics: [], only: ["refactor"] } };
  const others = (await it!.connection.sendRequest(CodeActionRequest.type, refactorings)) as CodeAction[];
  expect(others.filter(({ kind }) => !kind!.startsWith("refactor"))).toEqual([]);
});

test("an editor that opens no addresses is told the explanation", async () => {
  await opened(BROKEN);
  const said = new Promise<string>((say) => {
    it!.connection.onNotification(ShowMessageNotification.type, ({ message }) => say(message));
  });
  const command = { command: "sinter.explain", arguments: ["E0203"] };
  await it!.connection.sendRequest(ExecuteCommandRequest.type, command);
  expect(await said).toContain("E0203");
  const unknown = it!.connection.sendRequest(ExecuteCommandRequest.type, { command: "sinter.fly" });
  await expect(unknown).rejects.toThrow("there is no command sinter.fly");
});

test("exact bytes follow, and the editor is told to ask again", async () => {
  const text = shippedSpec("tiny");
  it = await editor({ workspace: { codeLens: { refreshSupport: true } } });
  const refreshed = new Promise<void>((now) => {
    it!.connection.onRequest(CodeLensRefreshRequest.type, () => now());
  });
  it.open(text);
  await refreshed;
  const lenses = await it.connection.sendRequest(CodeLensRequest.type, { textDocument });
  const { train, infer } = exactBytes(check(text).models[0]!, nodeHost.cores);
  const expected = `train ${sizeText(train.bytes)} · infer ${sizeText(infer.bytes)}`;
  expect(lenses!.map(({ command }) => command!.title)).toContain(expected);
});
