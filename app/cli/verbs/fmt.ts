/**
 * `sinter fmt SPEC…`: canonical layout. Changes white space only; files are replaced as a whole or not at
 * all.
 */
import { format } from "../../../compiler/1-parse/format.ts";
import { renderAll } from "../../../compiler/diagnostics/render.ts";
import { exitCodes } from "../../../runtime/base/errors.ts";
import { replaceText } from "../terminal/files.ts";
import { readSpec } from "../options/spec.ts";
import { flag } from "../options/option.ts";
import { defineVerb } from "./verb.ts";

export const fmtVerb = defineVerb({
  name: "fmt",
  summary: "bring specs into their canonical layout",
  arguments: [{ name: "<spec...>", help: "spec files; - is standard input, written to standard output" }],
  options: {
    check: flag("change nothing; exit code 1 when a file is not in its canonical layout"),
  },
  examples: ["sinter fmt specs/*.sinter", "sinter fmt --check specs/*.sinter", "sinter fmt - < model.sinter"],
  async run(paths, options, io) {
    let wrong = false;
    for (const path of paths) {
      const source = readSpec(path, io);
      const { text, diagnostics } = format(source);
      if (text === undefined) {
        io.err(renderAll(diagnostics, { name: path, text: source }, { colour: io.tty }));
        wrong = true;
      } else if (options.check) {
        if (text === source) continue;
        io.out(`${path} is not in its canonical layout\n`);
        wrong = true;
      } else if (path === "-") io.out(text);
      else if (text !== source) {
        replaceText(path, io.cwd, text);
        io.out(`formatted ${path}\n`);
      }
    }
    return wrong ? exitCodes.input : exitCodes.ok;
  },
});
