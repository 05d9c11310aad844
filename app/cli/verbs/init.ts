/** `sinter init [FILE]`: a commented spec to start from. Overwrites nothing unasked. */
import { basename } from "node:path";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { createText } from "../terminal/files.ts";
import { starter } from "../help/starter.ts";
import { flag } from "../options/option.ts";
import { defineVerb } from "./verb.ts";

export const initVerb = defineVerb({
  name: "init",
  summary: "write a commented spec to start from",
  arguments: [{ name: "[file]", help: "the file to write", standard: "model.sinter" }],
  options: { force: flag("replace what is there") },
  examples: ["sinter init", "sinter init specs/mine.sinter"],
  async run(args, options, io) {
    const given = args[0] ?? "model.sinter";
    const path = given.endsWith(".sinter") ? given : `${given}.sinter`;
    const text = starter(modelName(basename(path, ".sinter")));
    createText(path, io.cwd, text, { force: options.force });
    io.out(`wrote ${path}\ntry:   sinter check ${path}\nthen:  sinter train ${path}\n`);
    return exitCodes.ok;
  },
});

/** The file's name as a model's name: letters, digits, "-", "." and "_". */
function modelName(file: string): string {
  const name = file
    .replace(/[^A-Za-z0-9_.-]+/g, "-")
    .replace(/^[^A-Za-z]+/, "")
    .slice(0, 40);
  return name === "" || name === "like" || name === "model" ? "tiny" : name;
}
