/** `sinter types SPEC…`: declaration files beside specs, for programs that import them. */
import { relative, resolve } from "node:path";
import { describeModel } from "../../../compiler/compile.ts";
import { exitCodes, SinterError } from "../../../runtime/base/errors.ts";
import { flag, text } from "../options/option.ts";
import {
  declarationPath,
  declarationText,
  modulesOf,
  queryText,
  writeDeclaration,
} from "../options/spec-types.ts";
import { checkOptions, oneModel } from "../options/spec.ts";
import { defineVerb } from "./verb.ts";

export const typesVerb = defineVerb({
  name: "types",
  summary: "write declaration files of specs that programs import",
  arguments: [{ name: "<spec...>", help: "spec files, names that end in .sinter" }],
  options: {
    model: text(
      "<name>",
      'one model of a file that holds several: `import … from "./SPEC.sinter?model=NAME"`',
    ),
    train: flag('the module that learns: `import … from "./SPEC.sinter?train"`'),
  },
  notes: [
    "Each file is written beside its spec, and only where it changes: gpt2.d.sinter.ts is the type of " +
      '`import gpt2 from "./gpt2.sinter"`. TypeScript needs `allowArbitraryExtensions`.',
  ],
  examples: [
    "sinter types src/gpt2.sinter",
    "sinter types src/names.sinter --train",
    "sinter types specs/gpt2.sinter --model gpt2-xl",
  ],
  async run(specs, { model: name, train }, io) {
    const asked = { model: name, train };
    const query = queryText(asked);
    for (const spec of specs) {
      if (!spec.endsWith(".sinter"))
        throw new SinterError("usage", `\`${spec}\` does not end in .sinter`, "An import has that name.");
      const { model } = oneModel(spec, checkOptions({ model: name, set: undefined }), io);
      const manifest = describeModel(model, { modules: modulesOf(asked) });
      const path = resolve(io.cwd, declarationPath(spec, query));
      const isNew = writeDeclaration(path, declarationText(manifest, spec, query));
      io.out(`${isNew ? "wrote" : "unchanged"} ${relative(io.cwd, path)}\n`);
    }
    return exitCodes.ok;
  },
});
