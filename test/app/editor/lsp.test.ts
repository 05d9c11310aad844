/** The language server, as an editor in this process sees it. */
import { readFileSync } from "node:fs";
import {
  CodeLensRequest,
  DefinitionRequest,
  DidCloseTextDocumentNotification,
  DocumentFormattingRequest,
  DocumentHighlightRequest,
  DocumentSymbolRequest,
  FoldingRangeRequest,
  PrepareRenameRequest,
  ReferencesRequest,
  RenameRequest,
  SemanticTokensRangeRequest,
  SemanticTokensRequest,
  type DocumentSymbol,
  type Position,
  type Range,
  type TextEdit,
} from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { check } from "../../../compiler/index.ts";
import { shippedSpec } from "../../support/paths.ts";
import { editor, textDocument, uri, type Editor } from "./clients/protocol.ts";
import { BROKEN, UNTIDY } from "./clients/specs.ts";

const documentOf = (text: string): TextDocument => TextDocument.create(uri, "sinter", 1, text);
/** The place of the n-th occurrence of a word, from 0. */
function placeOf(text: string, word: string, n = 0): Position {
  const all = [...text.matchAll(new RegExp(word, "g"))];
  return documentOf(text).positionAt(all[n]!.index);
}
const applied = (text: string, edits: readonly TextEdit[]): string =>
  TextDocument.applyEdits(documentOf(text), [...edits]);

describe("an editor that opens a spec with mistakes", () => {
  let it: Editor;
  beforeAll(async () => void (it = await editor()));
  afterAll(() => it.leave("politely"));

  test("gets all that `check` finds, with places in UTF-16", async () => {
    expect(it.told.capabilities.positionEncoding).toBe("utf-16");
    const first = it.diagnostics(() => true);
    it.open(BROKEN, 7);
    const { version, diagnostics } = await first;
    expect(version).toBe(7);
    const found = check(BROKEN).diagnostics;
    const document = documentOf(BROKEN);
    expect(diagnostics.map(({ code, range }) => [code, range])).toEqual(
      found.map(({ code, span }) => [
        code,
        { start: document.positionAt(span.start), end: document.positionAt(span.end) },
      ]),
    );
    const misspelt = diagnostics.find(({ code }) => code === "E0202")!;
    // two emoji are four code units
    expect(misspelt.range).toEqual({ start: { line: 3, character: 7 }, end: { line: 3, character: 12 } });
    expect(misspelt.message).toContain("help: did you mean `width`?");
    expect(misspelt.source).toBe("sinter");
    const { pathname, hash } = new URL(misspelt.codeDescription!.href);
    const line = readFileSync(pathname, "utf8").split("\n")[Number(hash.slice("#L".length)) - 1];
    expect(line).toMatch(/^\| E0202 \|/);
  });

  test("gets notes as related information, where they have a place", async () => {
    const next = it.diagnostics(({ version }) => version === 8);
    it.change(8, { text: "model a { width 8 width 9 }" });
    const { diagnostics } = await next;
    const twice = diagnostics.find(({ relatedInformation }) => relatedInformation?.length);
    expect(twice?.relatedInformation?.[0]?.location).toEqual({
      uri,
      range: { start: { line: 0, character: 10 }, end: { line: 0, character: 15 } },
    });
  });

  test("gets those of the last version, whatever it types; none are of an older text", async () => {
    const texts = new Map<number, string>();
    const last = it.diagnostics(({ version }) => version === 20);
    for (let version = 9; version <= 20; version++) {
      const text = "model a { }\n".repeat(version - 8);
      texts.set(version, text);
      it.change(version, { text });
    }
    await last;
    const versions = it.published.map(({ version }) => version!);
    expect(versions).toEqual(versions.toSorted((a, b) => a - b));
    for (const { version, diagnostics } of it.published)
      if (texts.has(version!))
        expect(diagnostics.length).toBe(check(texts.get(version!)!).diagnostics.length);
  });

  test("may change parts of the text, behind emoji and between CRLF", async () => {
    const next = it.diagnostics(({ version }) => version === 22);
    it.change(21, { text: BROKEN });
    it.change(
      22,
      { range: { start: { line: 3, character: 2 }, end: { line: 3, character: 15 } }, text: "band 8" },
      { range: { start: { line: 2, character: 55 }, end: { line: 2, character: 56 } }, text: "8" },
    );
    const { diagnostics } = await next;
    expect(diagnostics.map(({ code }) => code)).toEqual(["E0305", "E0330"]);
  });

  test("gets an empty list when it closes the spec, and no answers any more", async () => {
    const emptied = it.diagnostics(({ diagnostics }) => diagnostics.length === 0);
    await it.connection.sendNotification(DidCloseTextDocumentNotification.type, { textDocument });
    await emptied;
    expect(await it.connection.sendRequest(DocumentSymbolRequest.type, { textDocument })).toBeNull();
  });
});

describe("an editor that works on a spec", () => {
  let it: Editor;
  beforeAll(async () => {
    const versioned = { workspace: { workspaceEdit: { documentChanges: true } } };
    it = await editor(versioned, { lensCommands: ["sinter.check"] });
    const opened = it.diagnostics(() => true);
    it.open(UNTIDY, 3);
    await opened;
  });
  afterAll(() => it.leave("politely"));
  const at = (word: string, n = 0) => ({ textDocument, position: placeOf(UNTIDY, word, n) });
  const wordAt = ({ start, end }: Range): string => documentOf(UNTIDY).getText({ start, end });

  test("finds where a name is defined and used", async () => {
    const definition = { uri, range: { start: placeOf(UNTIDY, "narrow"), end: expect.anything() } };
    expect(await it.connection.sendRequest(DefinitionRequest.type, at("narrow", 2))).toEqual(definition);
    const context = { includeDeclaration: true };
    const all = await it.connection.sendRequest(ReferencesRequest.type, { ...at("narrow", 2), context });
    expect(all!.map(({ range }) => range.start)).toEqual(
      [0, 2, 3, 4].map((n) => placeOf(UNTIDY, "narrow", n)),
    );
    const lit = await it.connection.sendRequest(DocumentHighlightRequest.type, at("narrow", 4));
    expect(lit!.map(({ range }) => wordAt(range))).toEqual(["narrow", "narrow", "narrow", "narrow"]);
  });

  test("renames it, in the version that it has; or learns why not", async () => {
    const prepared = await it.connection.sendRequest(PrepareRenameRequest.type, at("narrow", 3));
    expect(prepared).toMatchObject({ placeholder: "narrow", range: { start: placeOf(UNTIDY, "narrow", 3) } });
    expect(await it.connection.sendRequest(PrepareRenameRequest.type, at("layer {"))).toBeNull();
    const renamed = await it.connection.sendRequest(RenameRequest.type, {
      ...at("narrow"),
      newName: "inner",
    });
    const [change] = renamed!.documentChanges!;
    expect(change).toMatchObject({ textDocument: { uri, version: 3 } });
    const text = applied(UNTIDY, (change as { readonly edits: TextEdit[] }).edits);
    expect(text).toBe(UNTIDY.replaceAll(/(?<!😀 )narrow/g, "inner"));
    const refused = it.connection.sendRequest(RenameRequest.type, { ...at("narrow"), newName: "width" });
    await expect(refused).rejects.toThrow(/width/);
  });

  test("formats it as `fmt` does", async () => {
    const options = { tabSize: 8, insertSpaces: false };
    const edits = await it.connection.sendRequest(DocumentFormattingRequest.type, { textDocument, options });
    expect(applied(UNTIDY, edits!)).toBe(format(UNTIDY).text);
  });

  test("shows outline, folds and lenses", async () => {
    const symbols = await it.connection.sendRequest(DocumentSymbolRequest.type, { textDocument });
    const [model] = symbols as DocumentSymbol[];
    expect(wordAt(model!.selectionRange)).toBe("untidy");
    expect(model!.children!.map(({ name }) => name)).toContain("narrow");
    const folds = await it.connection.sendRequest(FoldingRangeRequest.type, { textDocument });
    expect(folds).toContainEqual({ startLine: 1, endLine: 12 });
    await changedTo(it, 4, shippedSpec("tiny"));
    const lenses = await it.connection.sendRequest(CodeLensRequest.type, { textDocument });
    const commands = lenses!.map(({ command }) => command!.command);
    expect(commands).toContain("sinter.check"); // which this editor can run
    expect(commands).not.toContain("sinter.train");
    expect(lenses!.map(({ command }) => command!.arguments)).toContainEqual([uri, "tiny"]);
    await changedTo(it, 5, UNTIDY);
  });

  test("colours names by what they mean", async () => {
    const { tokenTypes } = it.told.capabilities.semanticTokensProvider!.legend;
    const { data } = (await it.connection.sendRequest(SemanticTokensRequest.type, { textDocument }))!;
    const seen: string[] = [];
    for (let i = 0, line = 0, character = 0; i < data.length; i += 5) {
      const [down, right, length, type, modifiers] = data.slice(i, i + 5) as [
        number,
        number,
        number,
        number,
        number,
      ];
      [line, character] = [line + down, down > 0 ? right : character + right];
      const word = wordAt({ start: { line, character }, end: { line, character: character + length } });
      seen.push(`${word} ${tokenTypes[type]}${modifiers > 0 ? " defined" : ""}`);
    }
    expect(seen).toEqual(
      expect.arrayContaining([
        "untidy class defined",
        "narrow variable defined",
        "mlp function",
        "96 number",
      ]),
    );
    const range = { start: placeOf(UNTIDY, "let"), end: placeOf(UNTIDY, "24") };
    const some = await it.connection.sendRequest(SemanticTokensRangeRequest.type, { textDocument, range });
    expect(some!.data.length).toBe(5 * 3); // let narrow =
  });
});

async function changedTo(it: Editor, version: number, text: string): Promise<void> {
  const seen = it.diagnostics((of) => of.version === version);
  it.change(version, { text });
  await seen;
}

test.each([
  ["politely", 0],
  ["without a word", 1],
  ["closing the pipe", 1],
] as const)("an editor that leaves %s: exit code %d", async (how, code) => {
  const it = await editor();
  const opened = it.diagnostics(() => true);
  it.open(BROKEN);
  await opened;
  expect(await it.leave(how)).toBe(code);
});
