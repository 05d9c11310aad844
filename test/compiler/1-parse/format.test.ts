/** `sinter fmt` changes layout and nothing else, and a second time nothing at all. */
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { lexer } from "../../../compiler/1-parse/tokens.ts";
import { checkSource } from "../../../compiler/2-check/check.ts";
import { root } from "../../support/paths.ts";
import { specs } from "../../support/sources.ts";

const samples = readdirSync(`${root}/test/compiler/diagnostics/samples`)
  .filter((f) => f.endsWith(".sinter"))
  .map((f) => ({ file: f, text: readFileSync(`${root}/test/compiler/diagnostics/samples/${f}`, "utf8") }));
const formatted = (text: string): string => format(text).text!;

test.each([...specs, ...samples])("$file: twice is once", ({ text }) => {
  const once = format(text).text;
  if (once !== undefined) expect(format(once).text).toBe(once);
});

test("layout", () => {
  expect(
    formatted(
      "// head\n\n\n\nmodel  a{vocab 4  width -  5 // five  \n\n\n\n // own\n layer{x+=mlp(layernorm( x " +
        "),bias:true) h=x}\nheads 2 output linear(x,\r\n   tied : true)\n train {batch 4} let " +
        "q=4*(1+2)}model b like a{layers 3 width 4}\nmodel c like a{}",
    ),
  ).toBe(`// head

model a {
  vocab 4   width -5  // five

  // own
  layer {
    x += mlp(layernorm(x), bias: true)
    h = x
  }
  heads 2
  output linear(x,
      tied: true)
  train { batch 4 }
  let q = 4 * (1 + 2)
}

model b like a { layers 3  width 4 }
model c like a { }
`);
});

test("plans: settings keep their lines, expectations have their own", () => {
  const text =
    "model  a{layers 3}\nplan  p-1  of a  on h100-pcie{devices 8 tokens 1e9\n tensor -1 " +
    "expect flops 2*3±5  % }\n" +
    "plan q of a on h100{devices 8 expect hours 1±1%}";
  expect(formatted(text)).toBe(`model a { layers 3 }

plan p-1 of a on h100-pcie {
  devices 8   tokens 1e9
  tensor -1
  expect flops 2 * 3 ± 5%
}

plan q of a on h100 { devices 8  expect hours 1 ± 1% }
`);
});

test("a spec with syntax errors is left alone", () =>
  expect(format("model a { width }").text).toBeUndefined());

describe("any white space", () => {
  const spaces = fc.constantFrom(
    "",
    " ",
    "  ",
    "\n",
    "\n\n\n",
    "\t",
    "\r\n",
    " // note\n",
    "\n// own line\n",
    "\n\n  // own\n\n",
  );
  test("the same model, and twice is once", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...specs.map((s) => s.text)),
        fc.array(spaces, { minLength: 20, maxLength: 60 }),
        (text, gaps) => {
          const { tokens } = lexer.tokenize(text);
          let spec = "";
          tokens.forEach((token, i) => {
            const before = tokens[i - 1];
            const key = before !== undefined && token.startLine === before.endLine;
            const gap = gaps[(i * 7 + text.length) % gaps.length]!;
            // names must not run together, and a setting's value stays on its line
            spec += (key && gap.includes("\n") ? " " : gap === "" ? " " : gap) + token.image;
          });
          const once = format(spec).text;
          if (once === undefined)
            return expect(checkSource(spec).diagnostics.some((d) => d.severity === "error")).toBe(true);
          expect(format(once).text).toBe(once);
          expect(checkSource(once).models).toEqual(checkSource(spec).models);
          for (const line of once.split("\n")) expect(line).toBe(line.trimEnd());
          return undefined;
        },
      ),
      { numRuns: 150, seed: 7 },
    );
  });
});
