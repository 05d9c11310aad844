/**
 * Leaves out of the page what the compiler's tables have for others: f64 references and cases of operations
 * are for tests and measurements. The thread that checks while one types plans memory and writes no kernels,
 * and is asked for no long explanations: there the emitters go, too, and these.
 */
import { parseSync, Visitor, type ESTree, type Plugin } from "vite";

/** A table's rows are made by a function: which of their properties go, and which only where one types. */
interface Rule {
  readonly files: RegExp;
  readonly made: readonly string[];
  readonly always: readonly string[];
  readonly whileTyping: readonly string[];
}

const rules: readonly Rule[] = [
  {
    files: /\/compiler\/ops\/.*\.ts$/,
    made: ["defineOp", "sharedByOps"],
    always: ["reference", "cases", "sample"],
    whileTyping: ["emit", "doc"],
  },
  {
    files: /\/compiler\/diagnostics\/messages\/.*\.ts$/,
    made: ["message"],
    always: [],
    whileTyping: ["explain", "wrong", "right"],
  },
];

/** One for each worker: what is left out depends on its first file. */
export function leanCompiler(): Plugin {
  let isForTyping = false;
  return {
    name: "sinter-lean-compiler",
    enforce: "pre", // the file as it is written
    buildStart({ input }) {
      isForTyping = Object.values(input).some((file) => file.endsWith("/check-thread.ts"));
    },
    transform: {
      filter: { id: rules.map(({ files }) => files) },
      handler(code, id) {
        const { made, always, whileTyping } = rules.find(({ files }) => files.test(id))!;
        const names = isForTyping ? [...always, ...whileTyping] : always;
        return { code: withoutPlaces(code, propertiesIn(code, id, made, names)), map: null };
      },
    },
  };
}

interface Place {
  readonly start: number;
  readonly end: number;
}

/** Properties of these names in the objects that are given to one of these functions. */
function propertiesIn(
  code: string,
  file: string,
  callees: readonly string[],
  names: readonly string[],
): Place[] {
  const found: Place[] = [];
  const isNamed = (property: ESTree.ObjectPropertyKind): boolean =>
    property.type === "Property" && property.key.type === "Identifier" && names.includes(property.key.name);
  new Visitor({
    CallExpression(call) {
      if (call.callee.type !== "Identifier" || !callees.includes(call.callee.name)) return;
      for (const given of call.arguments)
        if (given.type === "ObjectExpression") found.push(...given.properties.filter(isNamed));
    },
  }).visit(parseSync(file, code).program);
  return found;
}

/** The places are in the order of the text. Each goes with the comma behind it. */
const withoutPlaces = (code: string, places: readonly Place[]): string =>
  places.reduceRight(
    (text, { start, end }) => text.slice(0, start) + text.slice(end).replace(/^\s*,/, ""),
    code,
  );
