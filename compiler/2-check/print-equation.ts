/** Checked equations as text of the language, which reads as the same equation again; and what they name. */
import type { Equation, TokenName, Whose } from "../../runtime/contract/objective.ts";

/** How tightly an equation holds together: a sum, a product, a sign, a single word. */
const strength = { sum: 0, product: 1, sign: 2, word: 3 } as const;
type Strength = (typeof strength)[keyof typeof strength];

const signs = {
  add: { sign: "+", strength: strength.sum },
  subtract: { sign: "-", strength: strength.sum },
  multiply: { sign: "*", strength: strength.product },
  divide: { sign: "/", strength: strength.product },
} as const;

const nameOf = (of: Whose, name: string): string => (of === "own" ? name : `${of}.${name}`);

export const printEquation = (equation: Equation): string => print(equation, strength.sum);

/** `least`: what holds together less tightly than this gets parentheses. */
function print(e: Equation, least: Strength): string {
  const around = (text: string, own: Strength): string => (own < least ? `(${text})` : text);
  switch (e.kind) {
    case "number":
      return e.value < 0 ? around(`${e.value}`, strength.sign) : `${e.value}`;
    case "setting":
      return e.name;
    case "token":
    case "answer":
      return nameOf(e.of, e.name);
    case "over":
      return `${e.how}(${print(e.value, strength.sum)})`;
    case "call":
      return `${e.name}(${e.args.map(printEquation).join(", ")})`;
    case "negate":
      return around(`-${print(e.value, strength.word)}`, strength.sign);
    case "add":
    case "subtract":
    case "multiply":
    case "divide": {
      const { sign, strength: own } = signs[e.kind];
      const tighter = (own + 1) as Strength; // signs of one kind are read from the left
      return around(`${print(e.left, own)} ${sign} ${print(e.right, tighter)}`, own);
    }
  }
}

/** Equations that one is made of. */
export function partsOfEquation(e: Equation): readonly Equation[] {
  switch (e.kind) {
    case "number":
    case "setting":
    case "token":
    case "answer":
      return [];
    case "over":
    case "negate":
      return [e.value];
    case "call":
      return e.args;
    case "add":
    case "subtract":
    case "multiply":
    case "divide":
      return [e.left, e.right];
  }
}

/** The names of all settings in it. */
export const settingsIn = (e: Equation): readonly string[] =>
  e.kind === "setting" ? [e.name] : partsOfEquation(e).flatMap(settingsIn);

/** The names of all numbers of tokens in it. */
export const tokensIn = (e: Equation): readonly TokenName[] =>
  e.kind === "token" ? [e.name] : partsOfEquation(e).flatMap(tokensIn);
