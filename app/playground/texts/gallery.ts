/** Texts of the examples. */
import type { Text } from "./texts.ts";

export const galleryTexts = {
  "gallery.title": { en: "Begin with an example", nl: "Begin met een voorbeeld" },
  "gallery.quickstart": { en: "A first model", nl: "Een eerste model" },
  "gallery.quickstart.about": {
    en: "Reads bytes, learns little scenes in a minute",
    nl: "Leest bytes, leert in een minuut kleine verhaaltjes",
  },
  "gallery.characters": { en: "GPT, letter by letter", nl: "GPT, letter voor letter" },
  "gallery.characters.about": {
    en: "nanoGPT’s small model; every character is a token",
    nl: "Het kleine model van nanoGPT; elk teken is een token",
  },
  "gallery.llama": { en: "Llama’s layer", nl: "De laag van Llama" },
  "gallery.llama.about": {
    en: "Rotary positions, SwiGLU and shared keys",
    nl: "Roterende posities, SwiGLU en gedeelde sleutels",
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
