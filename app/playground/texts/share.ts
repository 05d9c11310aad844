/** Texts of sharing: the button, and what is said of a link that was opened. */
import type { Text } from "./texts.ts";

export const shareTexts = {
  "share.button": { en: "Share", nl: "Delen" },
  "share.copied": { en: "Link copied", nl: "Link gekopieerd" },
  "share.notCopied": {
    en: "The browser does not let this page copy: the link is in the address bar.",
    nl: "De browser laat deze pagina niet kopiëren: de link staat in de adresbalk.",
  },
  "share.tooLong": {
    en: "Too much for a link: a text of your own may have {text} bytes, a spec {spec}.",
    nl: "Te veel voor een link: een eigen tekst mag {text} bytes zijn, een specificatie {spec}.",
  },
  "share.damaged": {
    en: "This link is damaged: part of it is missing or was changed. Here is the page as it begins.",
    nl:
      "Deze link is beschadigd: er ontbreekt een stuk of er is iets aan veranderd. Dit is de pagina " +
      "zoals ze begint.",
  },
  "share.newer": {
    en: "This link was made by another version of the page, which this one cannot read.",
    nl: "Deze link is gemaakt door een andere versie van de pagina, die deze niet kan lezen.",
  },
  "share.opened": {
    en:
      "You have opened somebody’s experiment: {steps} steps with seed {seed}. Train it, and the page " +
      "compares your loss with theirs.",
    nl:
      "Je hebt een experiment van iemand anders geopend: {steps} stappen met startgetal {seed}. Train " +
      "het, dan vergelijkt de pagina jouw loss met die van de maker.",
  },
  "share.openedPlain": {
    en: "You have opened somebody’s experiment: {steps} steps with seed {seed}.",
    nl: "Je hebt een experiment van iemand anders geopend: {steps} stappen met startgetal {seed}.",
  },
  "share.close": { en: "Close", nl: "Sluiten" },
  "share.promised": { en: "Promised final loss: {loss}", nl: "Beloofde loss aan het eind: {loss}" },
  "share.kept": {
    en: "The final loss is {loss}: exactly what the link promised, to the last digit.",
    nl: "De loss aan het eind is {loss}: precies wat de link beloofde, tot op het laatste cijfer.",
  },
  "share.broken": {
    en: "The final loss is {loss}; the link promised {promised}.",
    nl: "De loss aan het eind is {loss}; de link beloofde {promised}.",
  },
  "share.changed": {
    en: "Something was changed since the link was opened, so its promise no longer applies.",
    nl: "Er is iets veranderd sinds de link werd geopend, dus de belofte geldt niet meer.",
  },
  "share.otherVersion": {
    en: "The link was made with Sinter {made}; this is {here}. A small difference may come from that.",
    nl: "De link is gemaakt met Sinter {made}; dit is {here}. Een klein verschil kan daarvan komen.",
  },
} as const satisfies Readonly<Record<string, Text>>;
