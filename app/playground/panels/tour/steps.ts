/**
 * THE table of the guided tour: one step for each section of an article that explains language models. A step
 * has a model of its own, to be changed by the reader, the place in its spec that the step is about, and the
 * panel in which the reader goes on. The texts are loaded with the tour, not with the page.
 */
import type { Text } from "../../texts/texts.ts";
import type { PanelId } from "../../page/panel-ids.ts";

export interface Step {
  readonly id: string;
  readonly title: Text;
  /** Paragraphs. */
  readonly says: readonly Text[];
  /** The name of its model and of the spec in specs/; a row of the gallery, if it can be trained here. */
  readonly spec: string;
  /** What is lit up in it: a text that stands there once. */
  readonly lit: string;
  /** What to change, and what to watch. */
  readonly tries: Text;
  /** The change: the first text, which stands there once, becomes the second. */
  readonly change: readonly [from: string, to: string];
  readonly goesOn: readonly Pointer[];
}

/** A panel, and what to do in it. */
export interface Pointer {
  readonly panel: PanelId;
  readonly does: Text;
}

export const steps: readonly Step[] = [
  {
    id: "tokens",
    title: { en: "Text becomes numbers", nl: "Tekst wordt getallen" },
    says: [
      {
        en:
          "A language model never sees letters. A text is first cut into tokens: pieces that stand in " +
          "a fixed list. What the model gets of each piece is its number in that list.",
        nl:
          "Een taalmodel ziet nooit letters. Een tekst wordt eerst in tokens geknipt: stukjes die in " +
          "een vaste lijst staan. Wat het model van elk stukje krijgt, is het nummer in die lijst.",
      },
      {
        en:
          "The lists of large models have 50,000 to 200,000 pieces: a common word is one piece, a rare " +
          "word several. This model is small and its list is as short as can be: the 256 bytes that " +
          "every text on a computer is made of.",
        nl:
          "De lijsten van grote modellen tellen 50.000 tot 200.000 stukjes: een gewoon woord is één " +
          "stukje, een zeldzaam woord meerdere. Dit model is klein en zijn lijst is zo kort als maar " +
          "kan: de 256 bytes waaruit elke tekst op een computer bestaat.",
      },
    ],
    spec: "quickstart",
    lit: "tokenizer bytes",
    tries: {
      en: "Put vocab 300 in front of context: the list becomes longer, and the model larger with it.",
      nl: "Zet vocab 300 vóór context: de lijst wordt langer, en het model wordt daarmee groter.",
    },
    change: ["context 64   width", "vocab 300   context 64   width"],
    goesOn: [
      {
        panel: "inside",
        does: {
          en: "Type your name and see which numbers it becomes. An é takes two of them.",
          nl: "Typ je naam en kijk welke getallen het worden. Een é kost er twee.",
        },
      },
    ],
  },
  {
    id: "embedding",
    title: { en: "Every token becomes a row of numbers", nl: "Elk token wordt een rij getallen" },
    says: [
      {
        en:
          "That a word is number 421 of a list says nothing about it. So each token gets a row of " +
          "numbers of its own, its embedding: 96 numbers in this model, whose tokens are whole words; " +
          "thousands in large ones.",
        nl:
          "Dat een woord nummer 421 van een lijst is, zegt niets over dat woord. Daarom krijgt elk " +
          "token een eigen rij getallen, zijn embedding: 96 getallen in dit model, waarvan de tokens " +
          "hele woorden zijn; duizenden in een groot model.",
      },
      {
        en:
          "They begin as chance, and training moves them. Tokens that are used alike end up close to " +
          "each other: days near days, animals near animals. A second row says at which place of the " +
          "text the token stands; with the sum of the two, x, the model computes.",
        nl:
          "Ze beginnen als toeval en verschuiven tijdens het trainen. Tokens die op dezelfde manier " +
          "gebruikt worden, komen dicht bij elkaar te liggen: dagen bij dagen, dieren bij dieren. Een " +
          "tweede rij zegt op welke plaats in de tekst het token staat; met de som van die twee, x, " +
          "rekent het model.",
      },
    ],
    spec: "words",
    lit: "embed token + position",
    tries: {
      en: "Make width 96 into 192 and watch the parameters under the editor: more than twice as many.",
      nl: "Maak van width 96 eens 192 en let op de parameters onder de editor: meer dan twee keer zo veel.",
    },
    change: ["width 96", "width 192"],
    goesOn: [
      {
        panel: "inside",
        does: {
          en: "Train it for half a minute, then ask which tokens lie nearest to Monday.",
          nl: "Train het een halve minuut en vraag dan welke tokens het dichtst bij Monday liggen.",
        },
      },
      {
        panel: "structure",
        does: {
          en: "Follow x through the model: every arrow says how many numbers travel along it.",
          nl: "Volg x door het model: bij elke pijl staat hoeveel getallen erlangs gaan.",
        },
      },
    ],
  },
  {
    id: "attention",
    title: { en: "Words look at each other", nl: "Woorden kijken naar elkaar" },
    says: [
      {
        en:
          "“The cat sat on the mat because it was tired.” Who was tired? You looked back and found the " +
          "cat. Attention is how a model does that: each token asks a question, each earlier token " +
          "offers an answer, and how well the two fit decides how much of the answer is taken over.",
        nl:
          "‘De kat zat op de mat omdat ze moe was.’ Wie was er moe? Je keek terug en vond de kat. Met " +
          "attention doet een model dat ook: elk token stelt een vraag, elk eerder token biedt een " +
          "antwoord aan, en hoe goed die twee bij elkaar passen bepaalt hoeveel van het antwoord wordt " +
          "overgenomen.",
      },
      {
        en:
          "A layer of a large model has dozens of heads, and each learns to look for something of its " +
          "own. Nobody tells them what: it follows from guessing the next word, over and over.",
        nl:
          "Een laag van een groot model heeft tientallen koppen (heads), en elke kop leert op iets " +
          "anders te letten. Niemand vertelt ze waarop: dat volgt uit het steeds opnieuw raden van het " +
          "volgende woord.",
      },
      {
        en:
          "A model that writes sees only what stands before. So this one reads sentences in which the " +
          "cue comes first: “Because one of them was tired, the cat sat on the mat, and it …”. Once it " +
          "is trained, “it” looks back at the cat; after “woven”, at the mat.",
        nl:
          "Een model dat schrijft, ziet alleen wat ervóór staat. Daarom leest dit model Engelse zinnen " +
          "waarin de aanwijzing vooraan staat: ‘Because one of them was tired, the cat sat on the mat, " +
          "and it …’. Na het trainen kijkt ‘it’ terug naar de kat; na ‘woven’ (geweven) naar de mat.",
      },
    ],
    spec: "it",
    lit: "x += attention(rmsnorm(x))",
    tries: {
      en:
        "Give it two heads: the parameters stay the same, since each head is half as wide. Do both " +
        "look back?",
      nl:
        "Geef het twee koppen: het aantal parameters blijft gelijk, want elke kop is half zo breed. " +
        "Kijken ze allebei terug?",
    },
    change: ["heads 1", "heads 2"],
    goesOn: [
      {
        panel: "inside",
        does: {
          en: "Train it, type the sentence, and see which words “it” looks back at in each layer.",
          nl: "Train het, typ de zin en zie per laag naar welke woorden ‘it’ terugkijkt.",
        },
      },
    ],
  },
  {
    id: "prediction",
    title: { en: "What it knows, and what comes next", nl: "Wat het weet, en wat er volgt" },
    says: [
      {
        en:
          "After attention, each token is worked on alone, in the feed-forward part: it passes through " +
          "a wider row of numbers, the neurons, most of which stay silent. Those that answer have each " +
          "learnt a pattern: the end of a name, a quotation, a certain subject. Much of what a model " +
          "knows is stored in these weights.",
        nl:
          "Na attention wordt elk token apart bewerkt, in het feed-forward-deel: het gaat door een " +
          "bredere rij getallen, de neuronen, waarvan de meeste zwijgen. Wat wel reageert, heeft een " +
          "patroon geleerd: het einde van een naam, een citaat, een bepaald onderwerp. Veel van wat " +
          "een model weet, ligt in deze gewichten opgeslagen.",
      },
      {
        en:
          "At the very end the last row is compared with every token of the list. The better the two " +
          "fit, the likelier that token is to come next. So a model’s answer is not a word: it is a " +
          "chance for each of them.",
        nl:
          "Helemaal aan het eind wordt de laatste rij met elk token uit de lijst vergeleken. Hoe beter " +
          "die twee passen, hoe groter de kans dat dat token volgt. Het antwoord van een model is dus " +
          "geen woord, maar een kans voor elk woord.",
      },
    ],
    spec: "quickstart",
    lit: "x += mlp(layernorm(x))",
    tries: {
      en: "Write mlp(layernorm(x), hidden: 1024): twice as many neurons. How many parameters are that?",
      nl:
        "Schrijf mlp(layernorm(x), hidden: 1024): twee keer zo veel neuronen. Hoeveel parameters zijn " +
        "dat?",
    },
    change: ["mlp(layernorm(x))", "mlp(layernorm(x), hidden: 1024)"],
    goesOn: [
      {
        panel: "inside",
        does: {
          en: "See what each layer would predict, and which texts excite a neuron most.",
          nl: "Zie wat elke laag zou voorspellen, en bij welke teksten een neuron het sterkst reageert.",
        },
      },
      {
        panel: "kernels",
        does: {
          en: "Read the code that computes this very line.",
          nl: "Lees de code die precies deze regel uitrekent.",
        },
      },
    ],
  },
  {
    id: "training",
    title: { en: "Learning is guessing what comes next", nl: "Leren is raden wat er volgt" },
    says: [
      {
        en:
          "Nobody explains to the model what a word is. It reads a text, guesses each next token, and " +
          "is shown which one it was. The loss says how surprised it was: 5.55 for a blind guess among " +
          "256 tokens, 0 for certainty.",
        nl:
          "Niemand legt het model uit wat een woord is. Het leest een tekst, raadt steeds het volgende " +
          "token en krijgt te zien welk het was. De loss zegt hoe verrast het was: 5,55 als het blind " +
          "raadt tussen 256 tokens, 0 als het zeker is van zijn zaak.",
      },
      {
        en:
          "Then every weight is moved a little in the direction in which the guess would have been " +
          "better: one step. Here a few hundred steps are enough to write something like sentences. " +
          "Large models make hundreds of thousands, with millions of tokens in each.",
        nl:
          "Daarna schuift elk gewicht een klein stukje op in de richting waarin de gok beter was " +
          "geweest: één stap. Hier zijn een paar honderd stappen genoeg om iets te schrijven dat op " +
          "zinnen lijkt. Grote modellen zetten er honderdduizenden, met miljoenen tokens per stap.",
      },
    ],
    spec: "quickstart",
    lit: "lr 3e-3",
    tries: {
      en: "Make the learning rate ten times larger, lr 3e-2, and train again: too large a step overshoots.",
      nl:
        "Maak de leersnelheid tien keer zo groot, lr 3e-2, en train opnieuw: te grote stappen schieten " +
        "mis.",
    },
    change: ["lr 3e-3", "lr 3e-2"],
    goesOn: [
      {
        panel: "train",
        does: {
          en: "Train it and watch: first it learns which letters are common, then words, then sentences.",
          nl:
            "Train het en kijk mee: eerst leert het welke letters vaak voorkomen, dan woorden, dan " +
            "zinnen.",
        },
      },
    ],
  },
  {
    id: "teaching",
    title: { en: "From writing to answering", nl: "Van schrijven naar antwoorden" },
    says: [
      {
        en:
          "A model that has read a great deal goes on with a text; asked a question, it may well go on " +
          "with another question. Fine-tuning makes it answer: it is trained a little more, on " +
          "questions with good answers.",
        nl:
          "Een model dat veel gelezen heeft, maakt een tekst af; stel je het een vraag, dan volgt " +
          "misschien nóg een vraag. Met fine-tuning leert het antwoorden: het wordt nog wat verder " +
          "getraind, op vragen met goede antwoorden.",
      },
      {
        en:
          "Then people come in. They see two answers of the model and say which is better, and " +
          "training moves it towards what they prefer. What it becomes depends on who judges: here, " +
          "that is you.",
        nl:
          "Dan komen er mensen bij. Ze zien twee antwoorden van het model en zeggen welk beter is; " +
          "daarna schuift het model op naar wat zij liever zien. Wat het wordt, hangt dus af van wie " +
          "er oordeelt. Hier ben jij dat.",
      },
    ],
    spec: "taught",
    lit: "sft { batch 16",
    tries: {
      en: "Make it wider, width 96, and see under the editor how many parameters that adds.",
      nl: "Maak het breder, width 96, en zie onder de editor hoeveel parameters er bij komen.",
    },
    change: ["width 64", "width 96"],
    goesOn: [
      {
        panel: "teach",
        does: {
          en: "Write a few questions with answers, then judge pairs of answers with the arrow keys.",
          nl:
            "Schrijf een paar vragen met antwoorden en beoordeel daarna paren van antwoorden met de " +
            "pijltjes.",
        },
      },
    ],
  },
  {
    id: "writing",
    title: { en: "Token by token, and what it costs", nl: "Token voor token, en wat het kost" },
    says: [
      {
        en:
          "To write, the model computes its chances, one token is drawn and put behind the text, and " +
          "all of it begins again. Whoever always takes the likeliest one gets dull text that repeats " +
          "itself. A higher temperature makes the draw bolder, a lower one more careful; top-k and " +
          "top-p leave out what is unlikely.",
        nl:
          "Om te schrijven rekent het model zijn kansen uit, wordt er één token getrokken en achter de " +
          "tekst gezet, en begint alles opnieuw. Wie altijd het waarschijnlijkste neemt, krijgt saaie " +
          "tekst die in herhaling valt. Een hogere temperatuur maakt de trekking gewaagder, een lagere " +
          "voorzichtiger; top-k en top-p laten weg wat onwaarschijnlijk is.",
      },
      {
        en:
          "This specification is GPT-2’s. The design is that of the small model you have trained; what " +
          "differs is the size. GPT-2 has 1.5 billion parameters, Llama 3.1 up to 405 billion, and " +
          "GPT-4 is rumoured to have 1.7 trillion. Every parameter takes memory, text to learn from, " +
          "and money.",
        nl:
          "Dit is de specificatie van GPT-2. Het ontwerp is dat van het kleine model dat je hebt " +
          "getraind; het verschil zit in de grootte. GPT-2 heeft 1,5 miljard parameters, Llama 3.1 tot " +
          "405 miljard, en GPT-4 heeft er naar verluidt 1,7 biljoen. Elke parameter kost geheugen, " +
          "tekst om van te leren, en geld.",
      },
    ],
    spec: "gpt2",
    lit: "layers 48",
    tries: {
      en:
        "Write a model of your own below it, half as deep: model mine like gpt2 { layers 24 width " +
        "1600 heads 25 }",
      nl:
        "Schrijf er een eigen model onder, half zo diep: model mine like gpt2 { layers 24 width 1600 " +
        "heads 25 }",
    },
    change: [
      "heads 25  expect parameters 1_557_611_200 }",
      "heads 25  expect parameters 1_557_611_200 }\nmodel mine like gpt2 { layers 24 width 1600 heads 25 }",
    ],
    goesOn: [
      {
        panel: "sampling",
        does: {
          en: "Draw one token at a time, and move the temperature while you do.",
          nl: "Trek één token per keer, en verschuif intussen de temperatuur.",
        },
      },
      {
        panel: "cost",
        does: {
          en: "Compare what GPT-2, GPT-3, GPT-4 and Llama took, and design a model of your own.",
          nl: "Vergelijk wat GPT-2, GPT-3, GPT-4 en Llama kostten, en ontwerp een eigen model.",
        },
      },
    ],
  },
];
