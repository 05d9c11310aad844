/**
 * What the entries of both packages export, as text: every declaration without its comments, sorted by name,
 * and after them what these declarations mention. No file's name is in it, so that a file may move.
 *
 * tsc writes declaration files into a temporary folder; they are read as text, statement by statement.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";

/** A declaration: where it stands, what it is called, how it reads. */
interface Declaration {
  readonly file: string;
  readonly name: string;
  readonly text: string;
}

/** A declaration file: its own declarations, and the names that it takes from other files. */
interface DeclarationFile {
  readonly own: ReadonlyMap<string, string>;
  readonly foreign: ReadonlyMap<string, { readonly file: string; readonly name: string }>;
  /** Names under which something leaves the file by `export { … } from`, in their order. */
  readonly passedOn: readonly string[];
}

interface PackageFile {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | { readonly default?: string }>>;
}

/** Entries of both packages that programs import: "@sinter/runtime/node" to its source file. */
export function entriesOf(root: string): Map<string, string> {
  const entries = [root, join(root, "runtime")].flatMap((folder) => {
    const { name, exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as PackageFile;
    return Object.entries(exports).flatMap(([key, to]): [string, string][] =>
      typeof to === "string" || to.default === undefined || /\*|-worker$/.test(key)
        ? []
        : [[name + key.slice(1), join(folder, to.default.replace(/^\.\/dist\/(.*)\.js$/, "$1.ts"))]],
    );
  });
  return new Map(entries);
}

/** The text of the whole API of these entries. */
export function apiText(root: string, entries: ReadonlyMap<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "sinter-api-"));
  try {
    writeDeclarations(root, [...entries.values()], folder);
    const api = new Api();
    const outputOf = (source: string): string => declarationPath(join(folder, "out", relative(root, source)));
    const names = new Map([...entries].map(([name, source]) => [outputOf(source), name]));
    const sections = [...entries.values()].map((source) => {
      const file = outputOf(source);
      const whole = names.get(wholeOf(file) ?? "");
      return whole === undefined
        ? section(names.get(file)!, api.exportsOf(file))
        : `# ${names.get(file)}\n\nexport * from "${whole}";\n`;
    });
    return [...sections, section("mentioned in these", api.mentioned())].join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Which file a file passes on whole; undefined: none. */
function wholeOf(file: string): string | undefined {
  const [, from] = /^export \* from "(\.[^"]*)";$/m.exec(readFileSync(file, "utf8")) ?? [];
  return from === undefined ? undefined : declarationPath(resolve(dirname(file), from));
}

const section = (title: string, declarations: readonly Declaration[]): string => {
  const texts = [...declarations].sort(byNameThenText).map(({ text }) => `${text}\n`);
  return `# ${title}\n\n${texts.join("")}`;
};

const byNameThenText = (a: Declaration, b: Declaration): number =>
  compare(a.name, b.name) || compare(a.text, b.text);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function writeDeclarations(root: string, files: readonly string[], folder: string): void {
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    preserveSymlinks: true, // as in app/package/tsconfig.json
    emitDeclarationOnly: true,
    removeComments: true,
    outDir: join(folder, "out"),
    rootDir: root,
    typeRoots: [join(root, "node_modules/@types")],
  };
  const config = { extends: join(root, "tsconfig.json"), compilerOptions, files, include: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", folder], {
    stdio: ["ignore", "inherit", "inherit"],
  });
}

const declarationPath = (source: string): string => source.replace(/\.ts$/, ".d.ts");

/** Follows names through declaration files, and remembers which declarations it has given out. */
class Api {
  readonly #files = new Map<string, DeclarationFile>();
  readonly #given = new Map<string, Declaration>();

  exportsOf(file: string): Declaration[] {
    const { own, passedOn } = this.#read(file);
    return [...own.keys(), ...passedOn].map((name) => this.#give(file, name) ?? fail(`${name} of ${file}`));
  }

  /**
   * What the declarations given out so far mention, and what those mention; what was given out is left out.
   */
  mentioned(): Declaration[] {
    const exported = new Set(this.#given.keys());
    for (const { file, name, text } of this.#given.values())
      // grows while it is walked
      for (const word of wordsOf(text)) if (word !== name) this.#give(file, word);
    return [...this.#given].filter(([key]) => !exported.has(key)).map(([, declaration]) => declaration);
  }

  #give(file: string, name: string): Declaration | undefined {
    const { own, foreign } = this.#read(file);
    const text = own.get(name);
    const from = foreign.get(name);
    if (text === undefined) return from && this.#give(from.file, from.name);
    const key = `${file}#${name}`;
    const declaration = this.#given.get(key) ?? { file, name, text };
    this.#given.set(key, declaration);
    return declaration;
  }

  #read(file: string): DeclarationFile {
    const known = this.#files.get(file) ?? parseDeclarations(file, readFileSync(file, "utf8"));
    this.#files.set(file, known);
    return known;
  }
}

/** Words of a declaration that may name another one: neither members nor what follows a dot. */
const wordsOf = (text: string): string[] => [
  ...new Set(
    [...text.replaceAll(/"[^"]*"/g, '""').matchAll(/(?<![\w$.])[A-Za-z_$][\w$]*(?![\w$]|\??:|\()/g)].map(
      ([word]) => word,
    ),
  ),
];

export function parseDeclarations(path: string, text: string): DeclarationFile {
  const own = new Map<string, string>();
  const foreign = new Map<string, { file: string; name: string }>();
  const passedOn: string[] = [];
  const target = (from: string): string => declarationPath(resolve(dirname(path), from));
  for (const statement of statementsOf(text)) {
    const [, verb, names, from] =
      /^(import|export) (?:type )?\{([^}]*)\}(?: from "(\.[^"]*)")?;$/.exec(statement) ?? [];
    if (names !== undefined) {
      for (const [name, as] of namesIn(names)) {
        if (from !== undefined) foreign.set(as, { file: target(from), name });
        if (verb === "export") passedOn.push(as);
      }
      continue;
    }
    if (statement.startsWith("import ")) continue; // of a package
    const name =
      /^(?:export )?(?:declare )?(?:abstract )?(?:class|const|function|interface|type) ([\w$]+)/.exec(
        statement,
      );
    if (name === null) fail(statement);
    const inline = statement.replaceAll(
      /\bimport\("(\.[^"]+)"\)\.([\w$]+)/g,
      (_, file: string, inner: string) => {
        foreign.set(inner, { file: target(file), name: inner });
        return inner;
      },
    );
    const before = own.get(name[1]!); // a function with several signatures
    own.set(name[1]!, before === undefined ? inline : `${before}\n${inline}`);
  }
  return { own, foreign, passedOn };
}

/** "A, type B as C" → [["A", "A"], ["B", "C"]]. */
const namesIn = (list: string): [name: string, as: string][] =>
  list
    .split(",")
    .map((one) => one.trim().replace(/^type /, ""))
    .filter((one) => one !== "")
    .map((one) => one.split(" as ") as [string, string?])
    .map(([name, as]) => [name, as ?? name]);

/** A statement begins where a line begins, and lines that are indented or close a brace belong to it. */
function statementsOf(text: string): string[] {
  const statements: string[] = [];
  for (const line of text.split("\n")) {
    if (line === "") continue;
    if (/^[\s}]/.test(line)) statements.push(`${statements.pop() ?? ""}\n${line}`);
    else statements.push(line);
  }
  return statements;
}

function fail(what: string): never {
  throw new Error(`a declaration that is not understood: ${what}`);
}
