/** Texts of teaching: answers, choices, practice. */
import type { Text } from "./texts.ts";

export const teachTexts = {
  "teach.lead": {
    en:
      "Three things make an assistant of a model that only continues texts: it learns answers, " +
      "people say which answers they like better, and it practises until its answers are liked. Here " +
      "you do all three, with a small model of 130,000 parameters, and nothing leaves this tab.",
    nl:
      "Drie dingen maken van een model dat alleen teksten afmaakt een assistent: het leert " +
      "antwoorden, mensen zeggen welke antwoorden ze beter vinden, en het oefent tot zijn antwoorden " +
      "bevallen. Hier doe je alle drie, met een klein model van 130.000 parameters. Niets verlaat " +
      "dit tabblad.",
  },
  "teach.answers": { en: "1. Teach it to answer", nl: "1. Leer het antwoorden" },
  "teach.answersLead": {
    en:
      "Supervised fine-tuning: the model reads questions with their answers, and learns to write the " +
      "answer and then to stop. These are about animals; the same fact comes in kind, plain and " +
      "gruff words. Change them, add your own.",
    nl:
      "Supervised fine-tuning: het model leest vragen met hun antwoorden, en leert het antwoord te " +
      "schrijven en dan te stoppen. Deze gaan over dieren; hetzelfde feit komt voor in aardige, " +
      "gewone en norse woorden. Verander ze, of voeg er zelf een paar toe.",
  },
  "teach.pairs": { en: "{count} questions with their answers", nl: "{count} vragen met hun antwoorden" },
  "teach.question": { en: "Question", nl: "Vraag" },
  "teach.answer": { en: "Answer", nl: "Antwoord" },
  "teach.questionOf": { en: "Question {number}", nl: "Vraag {number}" },
  "teach.answerOf": { en: "Answer {number}", nl: "Antwoord {number}" },
  "teach.removeOf": { en: "Remove pair {number}", nl: "Haal paar {number} weg" },
  "teach.add": { en: "Add a pair", nl: "Paar toevoegen" },
  "teach.save": { en: "Save as JSONL", nl: "Bewaar als JSONL" },
  "teach.open": { en: "Open JSONL", nl: "Open JSONL" },
  "teach.begin": { en: "Teach", nl: "Leer het" },
  "teach.stop": { en: "Stop", nl: "Stop" },
  "teach.step": { en: "Step {step} of {steps}, loss {loss}", nl: "Stap {step} van {steps}, loss {loss}" },
  "teach.dropped": {
    en: "Left out, since they are too long for the model: {count}",
    nl: "Weggelaten, omdat ze te lang zijn voor het model: {count}",
  },
  "teach.unseen": {
    en: "Questions that it has not seen, answered before and after",
    nl: "Vragen die het niet heeft gezien, ervoor en erna beantwoord",
  },
  "teach.before": { en: "Before", nl: "Ervoor" },
  "teach.after": { en: "After", nl: "Erna" },
  "teach.choose": { en: "2. Say which answer is better", nl: "2. Zeg welk antwoord beter is" },
  "teach.chooseLead": {
    en:
      "Two of its answers to one question, in no order. A second model, the judge, learns from your " +
      "choices what you like. After some 20 choices it begins to know; 60 are better.",
    nl:
      "Twee van zijn antwoorden op één vraag, in willekeurige volgorde. Een tweede model, de jury, " +
      "leert uit je keuzes wat je mooi vindt. Na een keuze of 20 begint het iets te weten; 60 zijn " +
      "beter.",
  },
  "teach.first": { en: "First teach it to answer.", nl: "Leer het eerst antwoorden." },
  "teach.drawing": { en: "Two answers are being drawn …", nl: "Er worden twee antwoorden gemaakt …" },
  "teach.left": { en: "← This one", nl: "← Deze" },
  "teach.right": { en: "This one →", nl: "Deze →" },
  "teach.tie": { en: "↑ Both alike", nl: "↑ Even goed" },
  "teach.bad": { en: "↓ Both bad", nl: "↓ Beide slecht" },
  "teach.undo": { en: "U Undo", nl: "U Terug" },
  "teach.same": {
    en: "The model always says the same now: there is nothing to choose between.",
    nl: "Het model zegt nu altijd hetzelfde: er valt niets te kiezen.",
  },
  "teach.choices": { en: "Choices", nl: "Keuzes" },
  "teach.known": { en: "The judge knows", nl: "De jury kent er" },
  "teach.agrees": { en: "It agrees with you", nl: "Ze is het met je eens" },
  "teach.agreesIn": {
    en: "{wins} of {pairs} it did not learn from (95 %: {low}–{high} %)",
    nl: "{wins} van {pairs} waaruit ze niet leerde (95 %: {low}–{high} %)",
  },
  "teach.none": { en: "not known yet", nl: "nog onbekend" },
  "teach.practise": { en: "3. Let it practise", nl: "3. Laat het oefenen" },
  "teach.practiseLead": {
    en:
      "The model answers question after question, the judge scores its answers, and what scores " +
      "higher becomes likelier (GRPO). A price is put on moving away from what it was, so that it " +
      "does not forget the facts.",
    nl:
      "Het model beantwoordt vraag na vraag, de jury geeft punten, en wat meer punten krijgt wordt " +
      "waarschijnlijker (GRPO). Afwijken van wat het was kost iets, zodat het de feiten niet vergeet.",
  },
  "teach.practiseBegin": { en: "Practise", nl: "Oefen" },
  "teach.fewer": {
    en: "Choose at least {count} times first.",
    nl: "Kies eerst minstens {count} keer.",
  },
  "teach.round": {
    en: "Round {step} of {steps}, mean score {reward}",
    nl: "Ronde {step} van {steps}, gemiddelde score {reward}",
  },
  "teach.score": { en: "mean score", nl: "gemiddelde score" },
  "teach.rounds": { en: "round", nl: "ronde" },
  "teach.drawn": {
    en: "Answers that are drawn, before and after",
    nl: "Getrokken antwoorden, ervoor en erna",
  },
  "teach.log": { en: "Your choices", nl: "Je keuzes" },
  "teach.logLead": {
    en:
      "Every choice is a line of JSON, with the keys that other tools read. The same pairs and " +
      "choices give the same weights, bit for bit, in any browser and in Node:",
    nl:
      "Elke keuze is een regel JSON, met de sleutels die ander gereedschap leest. Dezelfde paren en " +
      "keuzes geven dezelfde gewichten, bit voor bit, in elke browser en in Node:",
  },
  "teach.pairsToo": {
    en: "Where you have changed the pairs, save them as well, and add --pairs pairs.jsonl.",
    nl: "Heb je de paren veranderd, bewaar die dan ook, en zet er --pairs pairs.jsonl bij.",
  },
  "teach.hashes": {
    en: "SHA-256 of the weights",
    nl: "SHA-256 van de gewichten",
  },
  "teach.hashTaught": { en: "taught", nl: "geleerd" },
  "teach.hashJudge": { en: "judge", nl: "jury" },
  "teach.hashPupil": { en: "practised", nl: "geoefend" },
  "teach.failed": { en: "That did not work: {error}", nl: "Dat lukte niet: {error}" },
  "teach.done": { en: "It has learnt the answers.", nl: "Het heeft de antwoorden geleerd." },
  "teach.practised": { en: "It has practised.", nl: "Het heeft geoefend." },
} as const satisfies Readonly<Record<string, Text>>;
