/** Texts of the panel that looks into a model. */
import type { Text } from "./texts.ts";

export const insideTexts = {
  "inside.lead": {
    en:
      "Type a text and see what the model does with it: at which words each word looks, what each layer " +
      "would say next, which neurons answer. It works while the model learns, too.",
    nl:
      "Typ een tekst en kijk wat het model ermee doet: naar welke woorden elk woord kijkt, wat elke laag " +
      "als volgende zou zeggen, welke neuronen reageren. Het werkt ook terwijl het model leert.",
  },
  "inside.none": {
    en: "No model is open yet. Train one for a few seconds, then come back.",
    nl: "Er is nog geen model open. Train er een (een paar seconden is genoeg) en kom dan terug.",
  },
  "inside.toTrain": { en: "Go to training", nl: "Naar Trainen" },
  "inside.cannot": {
    en: "This model was compiled without the part that lets people look inside. Open it anew.",
    nl: "Dit model is gecompileerd zonder het deel waarmee je erin kunt kijken. Open het opnieuw.",
  },
  "inside.text": { en: "Text", nl: "Tekst" },
  "inside.step": { en: "after {step} steps of training", nl: "na {step} trainingsstappen" },
  "inside.leftOut": {
    en: "There is no room for the first {count} tokens; the others are shown.",
    nl: "Voor de eerste {count} tokens is geen plaats; de rest staat er wel.",
  },
  "inside.tokens": { en: "Tokens and their numbers", nl: "Tokens en hun nummers" },
  "inside.tokensHelp": {
    en: "What the model gets are these numbers. Choose a token to see what is known of it.",
    nl: "Wat het model krijgt, zijn deze nummers. Kies een token om te zien wat erover bekend is.",
  },
  "inside.attention": { en: "Attention: who looks at whom", nl: "Attention: wie kijkt naar wie" },
  "inside.attentionHelp": {
    en: "Each head looks for something else. A row shows what its token looks at, the darker the more.",
    nl: "Elke kop zoekt iets anders. Een rij toont waar haar token naar kijkt: hoe donkerder, hoe meer.",
  },
  "inside.noHeads": {
    en: "The layers of this model have no attention.",
    nl: "De lagen van dit model hebben geen attention.",
  },
  "inside.head": { en: "Layer {layer}, head {head}", nl: "Laag {layer}, kop {head}" },
  "inside.map": { en: "Map of layer {layer}, head {head}", nl: "Kaart van laag {layer}, kop {head}" },
  "inside.lines": { en: "Lines of layer {layer}, head {head}", nl: "Lijnen van laag {layer}, kop {head}" },
  "inside.looksAt": { en: "{token} looks at {others}", nl: "{token} kijkt naar {others}" },
  "inside.previous": { en: "{share} the token before", nl: "{share} het token ervoor" },
  "inside.same": { en: "{share} itself", nl: "{share} zichzelf" },
  "inside.first": { en: "{share} the first token", nl: "{share} het eerste token" },
  "inside.other": { en: "{share} elsewhere", nl: "{share} elders" },
  "inside.off": { en: "Switch this head off", nl: "Zet deze kop uit" },
  "inside.next": { en: "The next token", nl: "Het volgende token" },
  "inside.nextHelp": {
    en: "What the model thinks likely after your text.",
    nl: "Wat het model na jouw tekst waarschijnlijk vindt.",
  },
  "inside.nextOff": {
    en: "With the head switched off; the mark shows what it was before.",
    nl: "Met de kop uit; het streepje toont wat het eerst was.",
  },
  "inside.lens": { en: "What each layer would say next", nl: "Wat elke laag als volgende zou zeggen" },
  "inside.lensHelp": {
    en: "The output, put behind each layer in turn (logit lens). The darker, the surer.",
    nl: "De uitvoer, om de beurt achter elke laag gezet (logit lens). Hoe donkerder, hoe zekerder.",
  },
  "inside.after": { en: "after", nl: "na" },
  "inside.follows": { en: "follows", nl: "volgt" },
  "inside.embedding": { en: "embedding", nl: "embedding" },
  "inside.layer": { en: "layer {layer}", nl: "laag {layer}" },
  "inside.token": { en: "The token {token}, number {id}", nl: "Het token {token}, nummer {id}" },
  "inside.nearest": { en: "Nearest embeddings", nl: "Dichtstbijzijnde embeddings" },
  "inside.nearestHelp": {
    en: "Tokens whose rows of numbers point the same way; 1 is the same direction.",
    nl: "Tokens waarvan de rij getallen dezelfde kant op wijst; 1 is dezelfde richting.",
  },
  "inside.neurons": { en: "Neurons that answer most strongly", nl: "Neuronen die het sterkst reageren" },
  "inside.neuronsHelp": {
    en: "A neuron of a feed-forward layer answers to some tokens, and then speaks for others.",
    nl: "Een neuron van een feed-forward-laag reageert op sommige tokens en pleit dan voor andere.",
  },
  "inside.neuron": { en: "Layer {layer}, neuron {neuron}", nl: "Laag {layer}, neuron {neuron}" },
  "inside.answer": { en: "answer", nl: "reactie" },
  "inside.speaksFor": { en: "speaks for", nl: "pleit voor" },
  "inside.against": { en: "speaks against", nl: "pleit tegen" },
  "inside.answers": { en: "answers in your text", nl: "reacties in jouw tekst" },
  "inside.excite": {
    en: "Search the training text for what excites it",
    nl: "Zoek in de trainingstekst waar het op aanslaat",
  },
  "inside.stop": { en: "Stop", nl: "Stop" },
  "inside.searching": { en: "Reading: {share}", nl: "Aan het lezen: {share}" },
} as const satisfies Readonly<Record<string, Text>>;
