/** Specs for the tests: those of the repository, and fragments of specs made whole. */
import { readdirSync, readFileSync } from "node:fs";
import { root } from "./paths.ts";

export const specs: readonly { readonly file: string; readonly text: string }[] = readdirSync(`${root}/specs`)
  .filter((name) => name.endsWith(".sinter"))
  .map((name) => ({ file: `specs/${name}`, text: readFileSync(`${root}/specs/${name}`, "utf8") }));

/** A complete and correct model. A fragment is made whole as the body of a model that is `like` this one. */
export const base = `model base {
  vocab 256   context 16   width 8   layers 1   heads 2
  embed token
  layer { x += mlp(layernorm(x)) }
  output linear(x)
}
`;

export const whole = (fragment: string): string =>
  fragment.startsWith("model ") ? fragment : `${base}model m like base {\n${fragment}\n}\n`;
