/** Texts of the panel that shows what a model is made of. */
import type { Text } from "./texts.ts";

export const structureTexts = {
  "structure.lead": {
    en:
      "What the compiler makes of the spec, before anything runs: each box is a program of its own, a " +
      "kernel, and arrows are the tables of numbers that one hands to the next.",
    nl:
      "Wat de compiler van de specificatie maakt, voordat er iets draait: elk vak is een eigen " +
      "programma, een kernel, en pijlen zijn de tabellen met getallen die de een aan de ander geeft.",
  },
  "structure.none": {
    en: "Mend the spec first: a model with errors has no structure.",
    nl: "Herstel eerst de specificatie: een model met fouten heeft geen opbouw.",
  },
  "structure.earlier": {
    en: "As of the last text without errors.",
    nl: "Volgens de laatste tekst zonder fouten.",
  },
  "structure.job": { en: "What it does", nl: "Wat het doet" },
  "structure.job.evaluate": { en: "The loss of a text", nl: "De loss van een tekst" },
  "structure.job.train": { en: "A training step", nl: "Een trainingsstap" },
  "structure.job.prefill": { en: "Reading a prompt", nl: "Een prompt lezen" },
  "structure.job.decode": { en: "One more token", nl: "Nog een token" },
  "structure.job.generate": { en: "Tokens in a row", nl: "Tokens achter elkaar" },
  "structure.openAll": { en: "Open all rooms", nl: "Alle kamers openen" },
  "structure.closeAll": { en: "Close all rooms", nl: "Alle kamers sluiten" },

  "structure.parameters": { en: "Parameters", nl: "Parameters" },
  "structure.arithmetic": { en: "Arithmetic of one run", nl: "Rekenwerk per keer" },
  "structure.module": { en: "Memory of the module", nl: "Geheugen van de module" },
  "structure.kernels": { en: "Kernels", nl: "Kernels" },
  "structure.divided": {
    en: "in {count} memories: one holds at most 4 GiB",
    nl: "in {count} geheugens: in één past hoogstens 4 GiB",
  },

  "structure.graph": { en: "Kernels, and what goes between them", nl: "Kernels, en wat ertussen gaat" },
  "structure.graphHelp": {
    en:
      "From top to bottom as they run. Rooms open and close; a room “× 12” runs once for each layer. " +
      "Choose a kernel for its numbers; the arrow keys go on.",
    nl:
      "Van boven naar beneden zoals ze draaien. Kamers gaan open en dicht; een kamer ‘× 12’ draait één " +
      "keer per laag. Kies een kernel voor zijn getallen; de pijltjestoetsen gaan verder.",
  },
  "structure.choose": { en: "Choose a kernel.", nl: "Kies een kernel." },
  "structure.step": { en: "Step {step} of {room}", nl: "Stap {step} van {room}" },
  "structure.joined": {
    en: "{count} operations became one kernel: what lies between them never reaches memory.",
    nl: "{count} bewerkingen werden één kernel: wat ertussen ligt komt nooit in het geheugen.",
  },
  "structure.times": { en: "{flops}, {count} times", nl: "{flops}, {count} keer" },
  "structure.moved": { en: "Bytes it must move", nl: "Bytes die het moet verplaatsen" },
  "structure.perByte": { en: "{count} operations per byte", nl: "{count} bewerkingen per byte" },
  "structure.tasks": { en: "Tasks, shared by the workers", nl: "Taken, verdeeld over de workers" },
  "structure.tiles": { en: "Tiles", nl: "Tegels" },
  "structure.sizes": { en: "Sizes", nl: "Maten" },
  "structure.tensors": { en: "Tensors in memory", nl: "Tensoren in het geheugen" },
  "structure.inSpec": { en: "Line {line} of the spec", nl: "Regel {line} van de specificatie" },
  "structure.code": { en: "Its code", nl: "De code" },

  "structure.groups": { en: "Where the parameters are", nl: "Waar de parameters zitten" },
  "structure.part": { en: "Part", nl: "Deel" },
  "structure.shapes": { en: "Tensors", nl: "Tensoren" },
  "structure.count": { en: "Number", nl: "Aantal" },
  "structure.share": { en: "Share", nl: "Aandeel" },
  "structure.all": { en: "All", nl: "Alles" },

  "structure.memory": { en: "Memory", nl: "Geheugen" },
  "structure.overTime": { en: "Memory over time", nl: "Geheugen in de tijd" },
  "structure.memoryHelp": {
    en:
      "Each rectangle is one table of numbers: from left to right the steps in which it is needed, " +
      "upwards its place in memory. What is no longer needed makes room: {arena} instead of {unshared}. " +
      "Narrow ones are drawn wider than they are.",
    nl:
      "Elke rechthoek is één tabel met getallen: van links naar rechts de stappen waarin ze nodig is, " +
      "omhoog haar plaats in het geheugen. Wat niet meer nodig is maakt plaats: {arena} in plaats van " +
      "{unshared}. Dunne zijn dikker getekend dan ze zijn.",
  },
  "structure.region.control": { en: "Control block", nl: "Besturing" },
  "structure.region.inputs": { en: "Inputs", nl: "Invoer" },
  "structure.region.outputs": { en: "Outputs", nl: "Uitvoer" },
  "structure.region.gradients": { en: "Gradients", nl: "Gradiënten" },
  "structure.region.moment1": { en: "First moments", nl: "Eerste momenten" },
  "structure.region.moment2": { en: "Second moments", nl: "Tweede momenten" },
  "structure.region.cache": { en: "Keys and values", nl: "Keys en values" },
  "structure.region.activations": { en: "Values on their way", nl: "Waarden onderweg" },
  "structure.region.workers": { en: "Workers ({count})", nl: "Workers ({count})" },
  "structure.region": { en: "What for", nl: "Waarvoor" },
  "structure.bytes": { en: "Bytes", nl: "Bytes" },
} as const satisfies Readonly<Record<string, Text>>;
