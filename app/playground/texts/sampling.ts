/** Texts of the panel in which a text is drawn token by token. */
import type { Text } from "./texts.ts";

export const samplingTexts = {
  "sampling.title": { en: "One token after the other", nl: "Het ene token na het andere" },
  "sampling.lead": {
    en:
      "A model does not write: it says how likely each token is as the next one. A random number chooses, " +
      "the token is appended, and the model is asked again.",
    nl:
      "Een model schrijft niet: het zegt hoe waarschijnlijk elk token als volgende is. Een willekeurig " +
      "getal kiest, het token komt erachter te staan, en het model wordt opnieuw gevraagd.",
  },
  "sampling.none": {
    en: "There is no model yet to draw from. Train one; a few seconds are enough.",
    nl: "Er is nog geen model om uit te trekken. Train er een; een paar seconden is genoeg.",
  },
  "sampling.toTrain": { en: "Go and train", nl: "Ga trainen" },
  "sampling.prompt": { en: "The text begins with", nl: "De tekst begint met" },
  "sampling.seed": { en: "Seed", nl: "Seed" },
  "sampling.begin": { en: "Begin again", nl: "Opnieuw beginnen" },
  "sampling.draw": { en: "Draw a number", nl: "Trek een getal" },
  "sampling.append": { en: "Append {token}", nl: "Zet {token} erachter" },
  "sampling.take": { en: "Append the likeliest", nl: "Zet het waarschijnlijkste erachter" },
  "sampling.ten": { en: "Ten at once", nl: "Tien tegelijk" },
  "sampling.temperature": { en: "Temperature", nl: "Temperatuur" },
  "sampling.topK": { en: "Top-k", nl: "Top-k" },
  "sampling.topP": { en: "Top-p", nl: "Top-p" },
  "sampling.minP": { en: "Min-p", nl: "Min-p" },
  "sampling.temperature.about": {
    en: "Below 1 the likely ones become likelier; 0 always takes the first",
    nl: "Onder 1 wordt het waarschijnlijke nog waarschijnlijker; 0 neemt altijd het eerste",
  },
  "sampling.topK.about": {
    en: "Only the k likeliest stay; 0 keeps all",
    nl: "Alleen de k waarschijnlijkste blijven over; 0 houdt alles",
  },
  "sampling.topP.about": {
    en: "The likeliest that together reach p stay; 1 keeps all",
    nl: "De waarschijnlijkste die samen p halen blijven over; 1 houdt alles",
  },
  "sampling.minP.about": {
    en: "Only what is this share of the likeliest stays; 0 keeps all",
    nl: "Alleen wat dit deel van het waarschijnlijkste haalt blijft over; 0 houdt alles",
  },
  "sampling.off": { en: "off", nl: "uit" },
  "sampling.distribution": { en: "What may come next", nl: "Wat er kan volgen" },
  "sampling.token": { en: "Token", nl: "Token" },
  "sampling.before": { en: "Model", nl: "Model" },
  "sampling.after": { en: "To draw from", nl: "Om uit te trekken" },
  "sampling.cut": { en: "gone: {by}", nl: "weg: {by}" },
  "sampling.others": {
    en: "and {count} other tokens, together {share}",
    nl: "en nog {count} andere tokens, samen {share}",
  },
  "sampling.cuts": { en: "Left of {all}: {left}", nl: "Over van {all}: {left}" },
  "sampling.afterCut": { en: "{left} after {by}", nl: "{left} na {by}" },
  "sampling.all": { en: "all", nl: "alle" },
  "sampling.oneDraw": { en: "One draw", nl: "Eén trekking" },
  "sampling.interval": {
    en: "The interval from 0 to 1; each token has a slice as wide as it is likely",
    nl: "Het interval van 0 tot 1; elk token heeft een stuk zo breed als het waarschijnlijk is",
  },
  "sampling.notDrawn": {
    en:
      "Each token has a slice of the interval from 0 to 1, as wide as it is likely. " +
      "No number is drawn yet.",
    nl:
      "Elk token heeft een stuk van het interval van 0 tot 1, zo breed als het waarschijnlijk is. " +
      "Er is nog geen getal getrokken.",
  },
  "sampling.fell": {
    en: "{u} falls into the slice of {token}, from {from} to {to}.",
    nl: "{u} valt in het stuk van {token}, van {from} tot {to}.",
  },
  "sampling.greedy": {
    en: "At temperature 0 nothing is drawn: the likeliest token is {token}.",
    nl: "Bij temperatuur 0 wordt niets getrokken: het waarschijnlijkste token is {token}.",
  },
  "sampling.ended": {
    en: "The text has ended: {token} is the token that ends texts.",
    nl: "De tekst is uit: {token} is het token dat een tekst beëindigt.",
  },
  "sampling.full": {
    en: "The model’s context is full: it can read {context} tokens.",
    nl: "De context van het model is vol: het kan {context} tokens lezen.",
  },
  "sampling.failed": { en: "That did not work: {error}", nl: "Dat is niet gelukt: {error}" },
  "sampling.atStep": { en: "The model at step {step}.", nl: "Het model bij stap {step}." },
  "sampling.text": { en: "The text so far", nl: "De tekst tot nu toe" },
} as const satisfies Readonly<Record<string, Text>>;
