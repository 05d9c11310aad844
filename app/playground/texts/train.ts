/** Texts of the panel that trains. */
import type { Text } from "./texts.ts";

export const trainTexts = {
  "train.start": { en: "Train", nl: "Trainen" },
  "train.pause": { en: "Pause", nl: "Pauzeren" },
  "train.goOn": { en: "Go on", nl: "Doorgaan" },
  "train.step": { en: "One step", nl: "Eén stap" },
  "train.reset": { en: "Begin again", nl: "Opnieuw beginnen" },
  "train.cancel": { en: "Cancel", nl: "Annuleren" },
  "train.none": { en: "Nothing is trained yet.", nl: "Er is nog niets getraind." },
  "train.opening": { en: "Opening the model …", nl: "Het model wordt geopend …" },
  "train.compiling": { en: "Compiling the spec …", nl: "De specificatie wordt gecompileerd …" },
  "train.loading": {
    en: "Loading the compiler: {loaded} of {total}",
    nl: "De compiler wordt geladen: {loaded} van {total}",
  },
  "train.progress": { en: "Step {step} of {steps}", nl: "Stap {step} van {steps}" },
  "train.done": { en: "Done: {steps} steps", nl: "Klaar: {steps} stappen" },
  "train.failed": { en: "It stopped: {error}", nl: "Het is gestopt: {error}" },
  "train.changed": {
    en: "The spec has changed since this model was opened. “Begin again” trains the new one.",
    nl: "De specificatie is veranderd sinds dit model is geopend. ‘Opnieuw beginnen’ traint de nieuwe.",
  },
  "train.needsCompiler": {
    en: "This spec will be compiled in the page. The compiler, 14 MB, is loaded once for that.",
    nl: "Deze specificatie wordt in de pagina gecompileerd. De compiler, 14 MB, wordt één keer geladen.",
  },
  "train.loss": { en: "Loss", nl: "Loss" },
  "train.validation": { en: "Validation", nl: "Validatie" },
  "train.norm": { en: "Gradient norm", nl: "Norm van de gradiënt" },
  "train.speed": { en: "Tokens per second", nl: "Tokens per seconde" },
  "train.nats": { en: "nats per token", nl: "nats per token" },
  "train.guess": { en: "a guess would be {loss}", nl: "een gok zou {loss} zijn" },
  "train.lossCurve": { en: "Loss by step", nl: "Loss per stap" },
  "train.across": { en: "step", nl: "stap" },
  "train.eachStep": { en: "each step", nl: "elke stap" },
  "train.smoothed": { en: "training, smoothed", nl: "training, afgevlakt" },
  "train.heldOut": { en: "text not trained on", nl: "tekst waarop niet is getraind" },
  "train.otherCurve": { en: "Also draw", nl: "Ook tekenen" },
  "train.at": { en: "step {step}: {values}", nl: "stap {step}: {values}" },
  "train.settings": { en: "Settings", nl: "Instellingen" },
  "train.lr": { en: "Learning rate (peak)", nl: "Leersnelheid (piek)" },
  "train.temperature": { en: "Temperature of samples", nl: "Temperatuur van de proefteksten" },
  "train.seed": { en: "Seed", nl: "Startgetal" },
  "train.steps": { en: "Steps", nl: "Stappen" },
  "train.target": { en: "Instructions", nl: "Instructies" },
  "train.simd": { en: "simd: the same bits everywhere", nl: "simd: overal dezelfde bits" },
  "train.relaxed": { en: "relaxed: faster", nl: "relaxed: sneller" },
  "train.cores": { en: "Use all {cores} cores", nl: "Alle {cores} kernen gebruiken" },
  "train.oneThread": {
    en: "One thread: several need a server that isolates the page.",
    nl: "Eén thread: voor meer moet de server de pagina isoleren.",
  },
  "train.where": {
    en:
      "{parameters} parameters in {memory} of this tab; one thread, instructions {target}; learns from " +
      "{tokens} tokens and is measured on {heldOut} others. Nothing leaves the tab.",
    nl:
      "{parameters} parameters in {memory} van dit tabblad; één thread, instructies {target}; leert van " +
      "{tokens} tokens en wordt gemeten op {heldOut} andere. Niets verlaat het tabblad.",
  },
  "train.whereThreads": {
    en:
      "{parameters} parameters in {memory} of this tab; {threads} threads, instructions {target}; " +
      "learns from {tokens} tokens and is measured on {heldOut} others. Nothing leaves the tab.",
    nl:
      "{parameters} parameters in {memory} van dit tabblad; {threads} threads, instructies {target}; " +
      "leert van {tokens} tokens en wordt gemeten op {heldOut} andere. Niets verlaat het tabblad.",
  },
  "train.data": { en: "Learns from", nl: "Leert van" },
  "train.exampleText": { en: "the example’s text", nl: "de tekst van het voorbeeld" },
  "train.ownText": { en: "Train on your own text", nl: "Op je eigen tekst trainen" },
  "train.ownHint": {
    en: "Paste a text, drop a file or choose one. It stays in this tab. Some 20 kB are a beginning.",
    nl:
      "Plak een tekst, sleep er een bestand naartoe of kies er een. Hij blijft in dit tabblad. " +
      "Zo’n 20 kB is een begin.",
  },
  "train.ownName": { en: "Your text", nl: "Je tekst" },
  "train.useText": { en: "Use this text", nl: "Deze tekst gebruiken" },
  "train.chooseFile": { en: "Choose a file", nl: "Een bestand kiezen" },
  "train.size": { en: "{characters} characters, {bytes} bytes", nl: "{characters} tekens, {bytes} bytes" },
  "train.backToExample": { en: "Back to the example’s text", nl: "Terug naar de tekst van het voorbeeld" },
  "train.samples": { en: "What it writes", nl: "Wat het schrijft" },
  "train.prompt": { en: "Beginning of the text", nl: "Begin van de tekst" },
  "train.write": { en: "Write", nl: "Schrijven" },
  "train.stop": { en: "Stop", nl: "Stoppen" },
  "train.atStep": { en: "after {step} steps", nl: "na {step} stappen" },
  "train.earlier": { en: "Earlier samples", nl: "Eerdere proefteksten" },
  "train.noSamples": {
    en: "A sample appears here now and then while it trains.",
    nl: "Hier verschijnt af en toe een proeftekst terwijl het traint.",
  },
  "train.left": {
    en: "An earlier visit trained “{model}” up to step {step} of {steps}.",
    nl: "Bij een eerder bezoek is ‘{model}’ tot stap {step} van {steps} getraind.",
  },
  "train.forget": { en: "Forget it", nl: "Vergeten" },
  "train.restored": {
    en: "It goes on at step {step}, with the same bits.",
    nl: "Het gaat door bij stap {step}, met dezelfde bits.",
  },
  "train.import": { en: "Bring a published model", nl: "Een gepubliceerd model meebrengen" },
  "train.importHint": {
    en:
      "Drop or choose a GGUF file, or a safetensors file with its config.json and tokenizer.json. It " +
      "becomes a spec in the editor, its weights go in, and it can write and learn.",
    nl:
      "Sleep of kies een GGUF-bestand, of een safetensors-bestand met config.json en tokenizer.json. Het " +
      "wordt een specificatie in de editor, de gewichten gaan erin, en het kan schrijven en leren.",
  },
  "train.importing": { en: "Reading {name} …", nl: "{name} wordt gelezen …" },
  "train.imported": {
    en: "{name}: {parameters} parameters are in.",
    nl: "{name}: {parameters} parameters zitten erin.",
  },
} as const satisfies Readonly<Record<string, Text>>;
