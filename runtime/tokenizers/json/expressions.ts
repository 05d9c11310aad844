/**
 * Translates the regular expressions of tokenizer.json files, which are written for Oniguruma (with Ruby's
 * syntax), into JavaScript's. Only what means the same in both is translated; anything else is named and
 * refused. `\s` is \p{White_Space}, `\d` is \p{Nd}, and `\w` is letters, marks, digits and connecting
 * punctuation. Parts of a match that are never given back (`?+`, `++`, `*+`, `(?>…)`) become a lookahead and
 * a reference to its group.
 */
export type Translation = { readonly expression: RegExp } | { readonly unsupported: string };

const MOST_CHARACTERS = 4096;
const MOST_DEPTH = 32;

export function translated(source: string): Translation {
  if (source.length > MOST_CHARACTERS) return { unsupported: `an expression of ${source.length} characters` };
  try {
    const reader = new Reader(source);
    const { js, least } = reader.alternatives(0, false);
    if (!reader.atEnd) return { unsupported: "a bracket too many" };
    if (least === 0) return { unsupported: "an expression that is content with nothing" };
    return { expression: new RegExp(js, "gu") };
  } catch (cause) {
    return {
      unsupported:
        cause instanceof Untranslatable || cause instanceof SyntaxError ? cause.message : String(cause),
    };
  }
}

/** Whether an expression is one character or class, once or repeated: such an expression is never slow. */
export const isPlain = (source: string): boolean => plain.test(source);
const oneSign = String.raw`[^\\^$.|?*+()[\]{}]|\\[sSdDwWnrt]|\\[pP]\{\^?\w+\}`;
const oneClass = String.raw`\[\^?(?:[^\\[\]&^-]|\\[sdwnrt]|\\p\{\w+\})+\]`;
const plain = new RegExp(`^(?:${oneSign}|${oneClass})\\+?$`, "u");

class Untranslatable extends Error {}

/** `least` is the number of characters that the part matches at least. */
interface Part {
  readonly js: string;
  readonly least: number;
}

const SPACE = String.raw`\p{White_Space}`;
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}`;
/** The classes that may stand inside brackets. Outside of them, Oniguruma's \w includes some numbers too. */
const classes: Readonly<Record<string, string>> = { s: SPACE, d: String.raw`\p{Nd}`, w: WORD };
const alone: Readonly<Record<string, string>> = { ...classes, w: `${WORD}²³¹¼-¾` };
const control: Readonly<Record<string, string>> = { n: "\\n", r: "\\r", t: "\\t", f: "\\f", v: "\\v" };
const categories = /^(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfo])$/;
const scripts = new RegExp(
  `^(?:${"Han Latin Greek Cyrillic Hiragana Katakana Hangul Arabic Hebrew Thai".replaceAll(" ", "|")})$`,
);
/** Letters that fold to several characters, or several that fold to one (ß, ﬁ, …). */
const foldsTogether = /ss|f[fil]|st/i;

class Reader {
  #at = 0;
  #groups = 0;
  readonly #source: readonly string[];

  constructor(source: string) {
    this.#source = Array.from(source);
  }

  get atEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  get #next(): string | undefined {
    return this.#source[this.#at];
  }

  #takes(text: string): boolean {
    const found = this.#source.slice(this.#at, this.#at + text.length).join("") === text;
    if (found) this.#at += text.length;
    return found;
  }

  /** Reads up to the end, or to the bracket that ends the group. */
  alternatives(depth: number, folded: boolean): Part {
    if (depth > MOST_DEPTH) throw new Untranslatable("groups that are nested too deep");
    const parts = [this.#sequence(depth, folded)];
    while (this.#takes("|")) parts.push(this.#sequence(depth, folded));
    return { js: parts.map(({ js }) => js).join("|"), least: Math.min(...parts.map(({ least }) => least)) };
  }

  #sequence(depth: number, folded: boolean): Part {
    let js = "";
    let least = 0;
    const from = this.#at;
    while (!this.atEnd && this.#next !== "|" && this.#next !== ")") {
      const part = this.#quantified(depth, folded);
      js += part.js;
      least += part.least;
    }
    if (folded && foldsTogether.test(this.#source.slice(from, this.#at).join("")))
      throw new Untranslatable("letters of either case that fold together");
    return { js, least };
  }

  #quantified(depth: number, folded: boolean): Part {
    const groups = this.#groups;
    let part = this.#atom(depth, folded);
    for (let n = 0; ; n++) {
      const counted = this.#quantifier();
      if (counted === undefined) return part;
      if (n > 0) throw new Untranslatable("a repetition of a repetition");
      if (counted.keeps && groups !== this.#groups) throw new Untranslatable("what is kept in what is kept");
      part = {
        js: this.#kept(`(?:${part.js})${counted.js}`, counted.keeps),
        least: part.least * counted.least,
      };
    }
  }

  #quantifier(): { readonly js: string; readonly least: number; readonly keeps: boolean } | undefined {
    const sign = this.#next;
    if (sign === "*" || sign === "+" || sign === "?") {
      this.#at++;
      const keeps = this.#takes("+");
      const lazy = !keeps && this.#takes("?");
      return { js: sign + (lazy ? "?" : ""), least: sign === "+" ? 1 : 0, keeps };
    }
    const found =
      sign === "{" &&
      /^\{(\d{0,4})(?:(,)(\d{0,4}))?\}/.exec(this.#source.slice(this.#at, this.#at + 12).join(""));
    if (!found || (found[1] === "" && !found[3])) return undefined;
    this.#at += found[0].length;
    if (this.#next === "+" || this.#next === "?")
      throw new Untranslatable("a counted repetition with + or ?");
    const least = Number(found[1] || "0");
    return { js: `{${least}${found[2] ?? ""}${found[3] ?? ""}}`, least, keeps: false };
  }

  /** A part whose match is never given back. */
  #kept(js: string, keeps: boolean): string {
    return keeps ? `(?=(${js}))\\${++this.#groups}` : js;
  }

  #atom(depth: number, folded: boolean): Part {
    const sign = this.#source[this.#at++]!;
    switch (sign) {
      case "(":
        return this.#group(depth, folded);
      case "[":
        return { js: this.#class(folded), least: 1 };
      case "\\":
        return this.#escape();
      case ".":
        return { js: "[^\\n]", least: 1 };
      case "$":
        return { js: "(?=\\n|(?![^]))", least: 0 };
      case "^":
      case "*":
      case "+":
      case "?":
        throw new Untranslatable(`${sign} where it stands`);
      default:
        return { js: folded ? `[${bothCases(sign)}]` : literal(sign), least: 1 };
    }
  }

  #group(depth: number, folded: boolean): Part {
    const look = ["?=", "?!", "?<=", "?<!"].find((start) => this.#takes(start));
    const keeps = look === undefined && this.#takes("?>");
    const fold = !keeps && look === undefined && this.#takes("?i:");
    const groups = this.#groups;
    if (look === undefined && !keeps && !fold && !this.#takes("?:") && this.#next === "?")
      throw new Untranslatable(`a group (${this.#source.slice(this.#at, this.#at + 3).join("")}`);
    const inner = this.alternatives(depth + 1, folded || fold);
    if (!this.#takes(")")) throw new Untranslatable("a group without its end");
    if (look?.startsWith("?<") && groups !== this.#groups)
      throw new Untranslatable("what is kept in a look behind");
    if (look !== undefined) return { js: `(${look}${inner.js})`, least: 0 };
    // the groups inside it were numbered before this one
    if (keeps && groups !== this.#groups) throw new Untranslatable("what is kept in what is kept");
    return { js: this.#kept(`(?:${inner.js})`, keeps), least: inner.least };
  }

  #escape(): Part {
    const sign = this.#source[this.#at++] ?? "";
    const known = alone[sign];
    const negated = alone[sign.toLowerCase()];
    if (known !== undefined) return { js: `[${known}]`, least: 1 };
    if (negated !== undefined) return { js: `[^${negated}]`, least: 1 };
    if (sign === "p" || sign === "P") return { js: this.#property(sign === "P"), least: 1 };
    return { js: this.#character(sign), least: 1 };
  }

  /** An escaped character: \n, \u1234, \x{1F600}, \. */
  #character(sign: string): string {
    if (control[sign] !== undefined) return control[sign];
    const rest = this.#source.slice(this.#at, this.#at + 10).join("");
    const code = codeAfter[sign]?.exec(rest);
    if (code) {
      this.#at += code[0].length;
      return `\\u{${code[1] ?? code[2]!}}`;
    }
    if (!/^[!-/:-@[-`{-~ ]$/.test(sign)) throw new Untranslatable(`\\${sign}`);
    return literal(sign);
  }

  #property(negated: boolean): string {
    const found = /^\{(\^?)(\w{1,20})\}/.exec(this.#source.slice(this.#at, this.#at + 24).join(""));
    const name = found?.[2] ?? "";
    if (!found || !(categories.test(name) || scripts.test(name))) throw new Untranslatable(`\\p{${name}}`);
    this.#at += found[0].length;
    const letter = negated !== (found[1] === "^") ? "P" : "p";
    const kind = scripts.test(name) ? "Script=" : "";
    return `\\${letter}{${kind}${name}}`;
  }

  #class(folded: boolean): string {
    let js = this.#takes("^") ? "^" : "";
    let first = true;
    for (; this.#next !== "]" || first; first = false) {
      const sign = this.#source[this.#at++];
      if (sign === undefined) throw new Untranslatable("a class without its end");
      if (sign === "[" || (sign === "&" && this.#next === "&"))
        throw new Untranslatable("a class within a class");
      if (first && sign === "]") throw new Untranslatable("an empty class");
      if (sign === "\\") js += this.#escapeInClass(folded);
      else if (sign === "-") js += js !== "" && js !== "^" && this.#next !== "]" ? "-" : "\\-";
      else if (folded) js += this.#next === "-" ? fail("a range of either case") : bothCases(sign);
      else js += literal(sign);
    }
    this.#at++;
    return `[${js}]`;
  }

  #escapeInClass(folded: boolean): string {
    const sign = this.#source[this.#at++] ?? "";
    if (folded) throw new Untranslatable("a class of either case");
    if (classes[sign] !== undefined) return classes[sign];
    if (sign === "S") return String.raw`\P{White_Space}`;
    if (sign === "D") return String.raw`\P{Nd}`;
    if (sign === "p" || sign === "P") return this.#property(sign === "P");
    return this.#character(sign);
  }
}

function fail(why: string): never {
  throw new Untranslatable(why);
}

/** What follows \u and \x: the code of a character in hexadecimal. */
const codeAfter: Readonly<Record<string, RegExp>> = {
  u: /^([0-9A-Fa-f]{4})/,
  x: /^\{([0-9A-Fa-f]{1,6})\}|^([0-7][0-9A-Fa-f])/,
};

/** The character itself, inside and outside of brackets. */
const literal = (sign: string): string => (/[\\^$.*+?()[\]{}|/-]/.test(sign) ? `\\${sign}` : sign);

/** The characters beyond ASCII that fold to a letter: ſ to s, and the kelvin sign to k. */
const foldsTo: Readonly<Record<string, string>> = { s: "\u017f", k: "\u212a" };

/** The character in both cases, and with the others that fold to it. */
function bothCases(sign: string): string {
  if (sign > "\x7f") throw new Untranslatable("letters of either case beyond ASCII");
  const lower = sign.toLowerCase();
  const upper = sign.toUpperCase();
  const more = foldsTo[lower] ?? "";
  return lower === upper ? literal(sign) : lower + upper + more;
}
