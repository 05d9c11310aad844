/** `sinter lsp`: the language server, for editors. */
import { serve } from "../../editor/lsp/serve.ts";
import { flag } from "../options/option.ts";
import { defineVerb } from "./verb.ts";

export const lspVerb = defineVerb({
  name: "lsp",
  summary: "the language server that editors start",
  arguments: [],
  options: {
    stdio: flag("speak over standard input and output; editors say so, and it is the only way"),
  },
  notes: [
    "It speaks the Language Server Protocol: mistakes with their corrections, shapes and parameters, " +
      "completion, renaming, formatting, outline.",
    "The README says how editors are told of it.",
  ],
  examples: ["sinter lsp --stdio"],
  run: async () => serve(process.stdin, process.stdout),
});
