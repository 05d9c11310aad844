/** Texts of the frame, the editor and the tabs. */
import type { Text } from "./texts.ts";

export const frameTexts = {
  "frame.title": {
    en: "Sinter, a page to build language models in",
    nl: "Sinter, een pagina om taalmodellen te bouwen",
  },
  "frame.lead": {
    en:
      "Write a language model, see what it is made of, train it and teach it. " +
      "All of it happens in this tab.",
    nl:
      "Schrijf een taalmodel, bekijk waar het uit bestaat, train het en leer het iets. " +
      "Alles gebeurt in dit tabblad.",
  },
  "frame.language": { en: "Language", nl: "Taal" },
  "frame.looks": { en: "Colours", nl: "Kleuren" },
  "frame.system": { en: "As the system", nl: "Als het systeem" },
  "frame.light": { en: "Light", nl: "Licht" },
  "frame.dark": { en: "Dark", nl: "Donker" },
  "frame.panels": { en: "What to do with the model", nl: "Wat je met het model doet" },
  "frame.opening": { en: "One moment …", nl: "Een ogenblik …" },
  "frame.failed": {
    en: "This part of the page could not be opened: {error}",
    nl: "Dit deel van de pagina kon niet worden geopend: {error}",
  },
  "frame.again": { en: "Try again", nl: "Probeer opnieuw" },

  "tab.tour": { en: "Tour", nl: "Rondleiding" },
  "tab.structure": { en: "Structure", nl: "Opbouw" },
  "tab.kernels": { en: "Kernels", nl: "Kernels" },
  "tab.train": { en: "Train", nl: "Trainen" },
  "tab.inside": { en: "Look inside", nl: "Kijk erin" },
  "tab.sampling": { en: "Sample", nl: "Tekst maken" },
  "tab.teach": { en: "Teach", nl: "Lesgeven" },
  "tab.cost": { en: "Cost", nl: "Kosten" },

  "editor.name": { en: "Specification of the model", nl: "Specificatie van het model" },
  "editor.help": {
    en:
      "Escape, then Tab leaves the editor. " +
      "Ctrl-Space completes, Ctrl-I says what stands at the cursor, Ctrl-. mends, " +
      "F2 renames, F12 goes to the definition, Alt-Shift-F formats.",
    nl:
      "Met Escape en dan Tab verlaat je de editor. " +
      "Ctrl-spatie vult aan, Ctrl-I zegt wat er bij de cursor staat, Ctrl-. herstelt, " +
      "F2 hernoemt, F12 gaat naar de definitie, Alt-Shift-F maakt op.",
  },
  "editor.keys": { en: "Keys", nl: "Toetsen" },
  "editor.format": { en: "Format", nl: "Opmaken" },
  "editor.mend": { en: "Mend", nl: "Herstellen" },
  "editor.undo": { en: "Undo", nl: "Ongedaan maken" },
  "editor.model": { en: "Model", nl: "Model" },
  "editor.checking": { en: "Checking …", nl: "Controleren …" },
  "editor.parameters": { en: "{count} parameters", nl: "{count} parameters" },
  "editor.flops": { en: "{count} FLOP per token", nl: "{count} FLOP per token" },
  "editor.train": { en: "trains in {bytes}", nl: "traint in {bytes}" },
  "editor.infer": { en: "runs in {bytes}", nl: "draait in {bytes}" },
  "editor.tooLarge": { en: "{bytes}: too large", nl: "{bytes}: te groot" },
  "editor.fine": { en: "No errors", nl: "Geen fouten" },
  "editor.earlier": {
    en: "as of the last text without errors",
    nl: "volgens de laatste tekst zonder fouten",
  },
  "editor.errors": { en: "Errors: {count}", nl: "Fouten: {count}" },
  "editor.warnings": { en: "Warnings: {count}", nl: "Waarschuwingen: {count}" },
  "editor.next": { en: "Go to the next one", nl: "Ga naar de volgende" },
  "editor.newName": { en: "New name", nl: "Nieuwe naam" },
  "editor.rename": { en: "Rename", nl: "Hernoemen" },
  "editor.noName": {
    en: "There is no name to change here.",
    nl: "Hier staat geen naam die je kunt veranderen.",
  },
  "editor.noDefinition": {
    en: "What stands here is defined nowhere in this text.",
    nl: "Wat hier staat is nergens in deze tekst gedefinieerd.",
  },
  "editor.noActions": { en: "There is nothing to mend here.", nl: "Hier valt niets te herstellen." },
  "editor.noHover": {
    en: "There is nothing to tell about this place.",
    nl: "Over deze plek valt niets te vertellen.",
  },
  "editor.wrong": {
    en: "A text with errors is not formatted.",
    nl: "Een tekst met fouten wordt niet opgemaakt.",
  },
  "editor.explain": { en: "Explain {code}", nl: "Leg {code} uit" },
  "editor.close": { en: "Close", nl: "Sluiten" },
} as const satisfies Readonly<Record<string, Text>>;
