/**
 * Leaves out of the page what operations have for tests and measurements alone: their f64 references, their
 * cases, and the inputs of these. The thread that checks while one types plans memory and writes no kernels,
 * so there the emitters go, too: a third of it.
 */
import { parseSync, Visitor, type ESTree, type Plugin } from "vite";

const forTests = ["reference", "cases", "sample"];
const withoutKernels = /\/check-thread\.ts$/;

/** One for each worker: what is left out depends on its first file. */
export function leanOps(): Plugin {
  let leftOut = forTests;
  return {
    name: "sinter-lean-ops",
    enforce: "pre", // the file as it is written
    buildStart({ input }) {
      if (Object.values(input).some((file) => withoutKernels.test(file))) leftOut = [...forTests, "emit"];
    },
    transform: {
      filter: { id: /\/compiler\/ops\/.*\.ts$/, code: "defineOp(" },
      handler: (code, id) => ({ code: withoutPlaces(code, propertiesIn(code, id, leftOut)), map: null }),
    },
  };
}

interface Place {
  readonly start: number;
  readonly end: number;
}

/** Properties of these names in the objects that are given to `defineOp`. */
function propertiesIn(code: string, file: string, names: readonly string[]): Place[] {
  const found: Place[] = [];
  const isNamed = (property: ESTree.ObjectPropertyKind): boolean =>
    property.type === "Property" && property.key.type === "Identifier" && names.includes(property.key.name);
  new Visitor({
    CallExpression({ callee, arguments: [, definition] }) {
      if (
        callee.type === "Identifier" &&
        callee.name === "defineOp" &&
        definition?.type === "ObjectExpression"
      )
        found.push(...definition.properties.filter(isNamed));
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
