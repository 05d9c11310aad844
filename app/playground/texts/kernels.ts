/** Texts of the panel with the code of the kernels. */
import type { Text } from "./texts.ts";

export const kernelsTexts = {
  "kernels.lead": {
    en:
      "The programs that the compiler writes for this model alone: its sizes stand in them as numbers. " +
      "In this language, AssemblyScript, they can be read; of that, WebAssembly is made.",
    nl:
      "De programma’s die de compiler alleen voor dit model schrijft: de maten staan er als getallen in. " +
      "In deze taal, AssemblyScript, zijn ze te lezen; daarvan wordt WebAssembly gemaakt.",
  },
  "kernels.none": {
    en: "Mend the spec first: a model with errors has no kernels.",
    nl: "Herstel eerst de specificatie: een model met fouten heeft geen kernels.",
  },
  "kernels.module": { en: "Module", nl: "Module" },
  "kernels.module.train": { en: "Training", nl: "Trainen" },
  "kernels.module.infer": { en: "Writing text", nl: "Tekst maken" },
  "kernels.target": { en: "Instructions", nl: "Instructies" },
  "kernels.search": { en: "Search", nl: "Zoeken" },
  "kernels.total": {
    en: "{kernels} kernels, {lines} lines, {size} of text",
    nl: "{kernels} kernels, {lines} regels, {size} tekst",
  },
  "kernels.divided": {
    en: "This model is divided over {count} memories; this is the code of the first.",
    nl: "Dit model is over {count} geheugens verdeeld; dit is de code van het eerste.",
  },
  "kernels.list": { en: "Kernels by line of the spec", nl: "Kernels per regel van de specificatie" },
  "kernels.line": { en: "line {line}", nl: "regel {line}" },
  "kernels.noLine": {
    en: "Of no line: loss, update, sampling",
    nl: "Van geen regel: loss, bijwerken, trekken",
  },
  "kernels.entries": { en: "What is run", nl: "Wat er draait" },
  "kernels.shared": { en: "What all share", nl: "Wat alle delen" },
  "kernels.lines": { en: "{count} lines", nl: "{count} regels" },
  "kernels.copy": { en: "Copy", nl: "Kopiëren" },
  "kernels.copied": { en: "Copied", nl: "Gekopieerd" },
  "kernels.notCopied": {
    en: "The browser does not let this page copy.",
    nl: "De browser laat deze pagina niet kopiëren.",
  },
  "kernels.toLine": { en: "Line {line} of the spec", nl: "Regel {line} van de specificatie" },
  "kernels.calls": { en: "Called in", nl: "Aangeroepen in" },
  "kernels.call": { en: "{entry}: step {step}, {room}", nl: "{entry}: stap {step}, {room}" },
  "kernels.code": { en: "Code of {name}", nl: "Code van {name}" },
} as const satisfies Readonly<Record<string, Text>>;
