/** The list of fields in app/server/README.md is the one that the schemas have. UPDATE=1 writes it anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fieldList } from "../../../app/server/api/field-list.ts";
import { inProject } from "../../support/paths.ts";
import { wrapped } from "../../support/wrap-documents.ts";

test("all fields are listed", () => {
  const path = inProject("app/server/README.md");
  const text = readFileSync(path, "utf8");
  const begin = "<!-- fields -->\n";
  const end = "<!-- end of fields -->";
  const [before, after] = [text.indexOf(begin) + begin.length, text.indexOf(end)];
  const list = `\n${wrapped(fieldList().split("\n")).join("\n")}\n\n`;
  if (process.env["UPDATE"]) writeFileSync(path, text.slice(0, before) + list + text.slice(after));
  expect(readFileSync(path, "utf8")).toContain(begin + list + end);
});
