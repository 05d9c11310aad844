/** Texts of the panel about what models cost. */
import type { Text } from "./texts.ts";

export const costTexts = {
  "cost.lead": {
    en:
      "What a language model takes: memory to hold it, arithmetic to train it, and money for the " +
      "machines that do it. Everything here follows from the specs themselves; what others have " +
      "published stands beside it.",
    nl:
      "Wat een taalmodel vraagt: geheugen om het te bewaren, rekenwerk om het te trainen, en geld voor " +
      "de machines die dat doen. Alles hier volgt uit de specificaties zelf; wat anderen hebben " +
      "gepubliceerd staat ernaast.",
  },
  "cost.design": { en: "Your model in other sizes", nl: "Jouw model in andere maten" },
  "cost.designHelp": {
    en: "The sliders change the model “{name}” here, and nothing in the editor. Heads go with the width.",
    nl:
      "De schuiven veranderen het model ‘{name}’ hier, en niets in de editor. Heads gaan met de breedte " +
      "mee.",
  },
  "cost.none": {
    en: "Mend the spec first, to see what your model costs.",
    nl: "Herstel eerst de specificatie om te zien wat je model kost.",
  },
  "cost.width": { en: "Width", nl: "Breedte" },
  "cost.layers": { en: "Layers", nl: "Lagen" },
  "cost.context": { en: "Context, tokens", nl: "Context, tokens" },
  "cost.tokens": { en: "Trained on, tokens", nl: "Getraind op, tokens" },
  "cost.card": { en: "On", nl: "Op" },
  "cost.price": { en: "Dollars for an hour of one", nl: "Dollar voor een uur van één" },
  "cost.reset": { en: "As the spec says", nl: "Zoals de specificatie zegt" },

  "cost.parameters": { en: "Parameters", nl: "Parameters" },
  "cost.active": { en: "{count} used by one token", nl: "{count} gebruikt door één token" },
  "cost.training": { en: "Memory to train", nl: "Geheugen om te trainen" },
  "cost.trainingNote": {
    en: "weights, gradients, two moments: {bytes} bytes each",
    nl: "gewichten, gradiënten, twee momenten: elk {bytes} bytes",
  },
  "cost.adapted": { en: "Memory to train adapters", nl: "Geheugen om adapters te trainen" },
  "cost.adaptedNote": {
    en: "weights in bf16, kept as they are; adapters of rank 8",
    nl: "gewichten in bf16, die blijven; adapters van rang 8",
  },
  "cost.bf16": { en: "Memory to run, bf16", nl: "Geheugen om te draaien, bf16" },
  "cost.q4": { en: "Memory to run, 4 bits", nl: "Geheugen om te draaien, 4 bits" },
  "cost.textNote": {
    en: "and {bytes} for a text as long as the context",
    nl: "en {bytes} voor een tekst zo lang als de context",
  },
  "cost.compute": { en: "Training compute, FLOP", nl: "Rekenwerk om te trainen, FLOP" },
  "cost.computeNote": {
    en: "6 × {parameters} × {tokens} tokens",
    nl: "6 × {parameters} × {tokens} tokens",
  },
  "cost.countedNote": {
    en: "{flops} counted in the graph, attention included",
    nl: "{flops} geteld in de graaf, met attention",
  },
  "cost.hours": { en: "Time of all devices", nl: "Tijd van alle apparaten" },
  "cost.money": { en: "Money today", nl: "Geld, vandaag" },
  "cost.noPrice": { en: "no price is known: give one", nl: "geen prijs bekend: geef er een" },
  "cost.range": { en: "{low} to {high}", nl: "{low} tot {high}" },
  "cost.varies": { en: "Why it varies", nl: "Waarom het uiteenloopt" },
  "cost.byPrice": {
    en:
      "{times} × by the price of an hour of one H100: {low} dollar ({lowSource}, {lowDate}) to {high} " +
      "dollar ({highSource}, {highDate}).",
    nl:
      "{times} × door de prijs van een uur van één H100: {low} dollar ({lowSource}, {lowDate}) tot " +
      "{high} dollar ({highSource}, {highDate}).",
  },
  "cost.byUse": {
    en:
      "{times} × by how well the machines are used: published runs come to {least} to {most} of what the " +
      "devices could do, failures and restarts included.",
    nl:
      "{times} × door hoe goed de machines worden gebruikt: gepubliceerde runs komen tot {least} tot " +
      "{most} van wat de apparaten kunnen, storingen en herstarts inbegrepen.",
  },
  "cost.byTokens": {
    en:
      "And by the text: twice the tokens cost twice as much, whatever the size. {tokens} tokens are " +
      "{kind}.",
    nl:
      "En door de tekst: twee keer zo veel tokens kosten twee keer zo veel, bij elke grootte. {tokens} " +
      "tokens: {kind}.",
  },
  "cost.tokensAre.given": { en: "what you chose", nl: "door jou gekozen" },
  "cost.tokensAre.published": { en: "as published", nl: "zoals gepubliceerd" },
  "cost.tokensAre.rule": {
    en: "a rule of thumb, 20 for each parameter (Hoffmann et al. 2022)",
    nl: "een vuistregel, 20 per parameter (Hoffmann et al. 2022)",
  },

  "cost.cluster": { en: "Trained on a cluster", nl: "Getraind op een cluster" },
  "cost.clusterHelp": {
    en:
      "The fastest way to spread your model over so many devices that fills them to 80 % at most, as " +
      "sinter plan --solve parallel finds it.",
    nl:
      "De snelste manier om je model over zo veel apparaten te verdelen die ze tot hoogstens 80 % vult, " +
      "zoals sinter plan --solve parallel die vindt.",
  },
  "cost.devices": { en: "Devices", nl: "Apparaten" },
  "cost.recompute": { en: "Computed again in the backward", nl: "Opnieuw berekend in de backward" },
  "cost.recomputeNote": { en: "computed again: {what}", nl: "opnieuw berekend: {what}" },
  "cost.recompute.any": { en: "what is fastest", nl: "wat het snelst is" },
  "cost.recompute.none": { en: "nothing", nl: "niets" },
  "cost.recompute.selective": { en: "every second product", nl: "elk tweede product" },
  "cost.recompute.full": { en: "whole layers", nl: "hele lagen" },
  "cost.noWay": {
    en: "No way fits: take more devices, or larger ones.",
    nl: "Geen manier past: neem meer apparaten, of grotere.",
  },
  "cost.choices": { en: "What else fits", nl: "Wat verder past" },
  "cost.choicesHelp": {
    en:
      "Each line is faster than those below it, and needs more memory. What binds it is memory, where more " +
      "would make it faster, or the largest part of a step.",
    nl:
      "Elke regel is sneller dan die eronder, en vraagt meer geheugen. Wat haar bindt is geheugen, waar " +
      "meer haar sneller zou maken, of het grootste deel van een stap.",
  },
  "cost.spread": { en: "Spread", nl: "Verdeeld" },
  "cost.each": { en: "Memory of the fullest device", nl: "Geheugen van het volste apparaat" },
  "cost.eachOf": { en: "{bytes} of {all}", nl: "{bytes} van {all}" },
  "cost.speed": { en: "Speed", nl: "Snelheid" },
  "cost.speedOf": { en: "{rate} tok/s, {time} a step", nl: "{rate} tok/s, {time} per stap" },
  "cost.mfu": {
    en: "MFU {causal} causal, {full} full",
    nl: "MFU {causal} causaal, {full} volledig",
  },
  "cost.run": { en: "The run", nl: "De run" },
  "cost.runNote": {
    en: "{hours} of all devices, {goodput} of the time in steps that count",
    nl: "{hours} van alle apparaten, {goodput} van de tijd in stappen die tellen",
  },

  "cost.table": { en: "Models that you know", nl: "Modellen die je kent" },
  "cost.tableHelp": {
    en:
      "Each row is a spec: choose its name to have it in the editor. “Said” is what articles write; " +
      "“published” names who said it; the rest is computed here, in this tab. GPT-4’s sizes are rumours, " +
      "twice over: OpenAI has published none.",
    nl:
      "Elke rij is een specificatie: kies de naam om haar in de editor te krijgen. ‘Gezegd’ is wat " +
      "artikelen schrijven; ‘gepubliceerd’ noemt wie het zei; de rest wordt hier berekend, in dit " +
      "tabblad. De maten van GPT-4 zijn geruchten, en wel twee: OpenAI heeft niets gepubliceerd.",
  },
  "cost.model": { en: "Model", nl: "Model" },
  "cost.rumour": { en: "rumour", nl: "gerucht" },
  "cost.said": { en: "said: {words}", nl: "gezegd: {words}" },
  "cost.variesWord": { en: "varies", nl: "verschilt" },
  "cost.published": { en: "Published", nl: "Gepubliceerd" },
  "cost.noTokens": { en: "tokens never published", nl: "tokens nooit gepubliceerd" },
  "cost.facts": { en: "Facts: {count}", nl: "Feiten: {count}" },
  "cost.hoursOf": { en: "{hours} hours of {card}", nl: "{hours} uur van {card}" },
  "cost.flopsOf": { en: "{flops} FLOP", nl: "{flops} FLOP" },
  "cost.todayNote": { en: "{hours} of H100", nl: "{hours} van H100" },

  "cost.fits": { en: "What holds your model", nl: "Waar je model in past" },
  "cost.tab": {
    en:
      "In this tab it takes {train} to train and {infer} to run; one memory of WebAssembly holds at most " +
      "4 GiB.",
    nl:
      "In dit tabblad vraagt het {train} om te trainen en {infer} om te draaien; één geheugen van " +
      "WebAssembly is hoogstens 4 GiB.",
  },
  "cost.tabFits": { en: "Both fit.", nl: "Beide passen." },
  "cost.tabNot": { en: "Training does not fit.", nl: "Trainen past niet." },
  "cost.tabNone": { en: "Neither fits.", nl: "Geen van beide past." },
  "cost.machine": {
    en: "This machine says that it has {memory} or more.",
    nl: "Deze machine zegt dat ze {memory} of meer heeft.",
  },
  "cost.device": { en: "Device", nl: "Apparaat" },
  "cost.run4": { en: "Run, 4 bits", nl: "Draaien, 4 bits" },
  "cost.run16": { en: "Run, bf16", nl: "Draaien, bf16" },
  "cost.train": { en: "Train", nl: "Trainen" },
  "cost.fitsOne": { en: "fits", nl: "past" },
  "cost.fitsTight": { en: "fits tightly", nl: "past net" },
  "cost.fitsMany": { en: "{count} together", nl: "{count} samen" },
  "cost.method": {
    en:
      "Compute is 6 · N · D: six operations for each parameter that a token uses and each token. Hours " +
      "follow from the device’s peak in bf16 and the share of it that whole runs reach. Devices are " +
      "filled to 80 %; training needs room for values on their way besides.",
    nl:
      "Rekenwerk is 6 · N · D: zes bewerkingen voor elke parameter die een token gebruikt en voor elk " +
      "token. Uren volgen uit de piek van het apparaat in bf16 en het deel daarvan dat hele runs halen. " +
      "Apparaten worden tot 80 % gevuld; trainen vraagt daarnaast ruimte voor waarden onderweg.",
  },
} as const satisfies Readonly<Record<string, Text>>;
