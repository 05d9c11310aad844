/** Texts around the guided tour; its steps are in panels/tour/steps.ts. */
import type { Text } from "./texts.ts";

export const tourTexts = {
  "tour.lead": {
    en: "How a language model works, in seven steps. Leave whenever you like: the page remembers the step.",
    nl: "Hoe een taalmodel werkt, in zeven stappen. Stop wanneer je wilt: de pagina onthoudt de stap.",
  },
  "tour.steps": { en: "Steps of the tour", nl: "Stappen van de rondleiding" },
  "tour.step": { en: "Step {number} of {count}", nl: "Stap {number} van {count}" },
  "tour.back": { en: "Back", nl: "Terug" },
  "tour.next": { en: "Next: {title}", nl: "Verder: {title}" },
  "tour.place": { en: "In the specification", nl: "In de specificatie" },
  "tour.show": { en: "Show it in the editor", nl: "Wijs het aan in de editor" },
  "tour.try": { en: "Change it", nl: "Verander het" },
  "tour.change": { en: "Do it for me", nl: "Doe het voor mij" },
  "tour.changed": {
    en: "Changed in the editor. Undo takes it back.",
    nl: "Veranderd in de editor. Met Ongedaan maken draai je het terug.",
  },
  "tour.goOn": { en: "Do it yourself", nl: "Doe het zelf" },
} as const satisfies Readonly<Record<string, Text>>;
