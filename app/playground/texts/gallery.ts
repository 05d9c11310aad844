/** Texts of the examples. */
import type { Text } from "./texts.ts";

export const galleryTexts = {
  "gallery.title": { en: "Begin with an example", nl: "Begin met een voorbeeld" },
  "gallery.quickstart": { en: "A first model", nl: "Een eerste model" },
  "gallery.quickstart.about": {
    en: "Reads bytes, learns little scenes in a minute",
    nl: "Leest bytes, leert in een minuut kleine verhaaltjes",
  },
  "gallery.words": { en: "Word by word", nl: "Woord voor woord" },
  "gallery.words.about": {
    en: "Whole words are tokens, and words of a kind come to lie together",
    nl: "Hele woorden zijn tokens, en woorden van één soort komen bij elkaar te liggen",
  },
  "gallery.it": { en: "The cat and the mat", nl: "De kat en de mat" },
  "gallery.it.about": {
    en: "Attention you can see: who is meant by “it”?",
    nl: "Attention die je kunt zien: wie is er bedoeld met ‘it’?",
  },
  "gallery.characters": { en: "GPT, letter by letter", nl: "GPT, letter voor letter" },
  "gallery.characters.about": {
    en: "nanoGPT’s small model; every character is a token",
    nl: "Het kleine model van nanoGPT; elk teken is een token",
  },
  "gallery.llama": { en: "Llama’s layer", nl: "De laag van Llama" },
  "gallery.llama.about": {
    en: "Rotary positions, SwiGLU and shared keys",
    nl: "Roterende posities, SwiGLU en gedeelde keys",
  },
  "gallery.mixture": { en: "A mixture of experts", nl: "Een mengsel van experts" },
  "gallery.mixture.about": {
    en: "Eight small networks, of which each token uses two",
    nl: "Acht kleine netwerken, waarvan elk token er twee gebruikt",
  },
  "gallery.flowers": { en: "Names of flowers", nl: "Namen van bloemen" },
  "gallery.flowers.about": {
    en: "4,192 parameters that make up flowers, in seconds",
    nl: "4.192 parameters die in seconden bloemen verzinnen (in het Engels)",
  },
} as const satisfies Readonly<Record<string, Text>>;
