/**
 * The language reference, compiler/LANGUAGE.md, from the tables that implement the language. A test keeps the
 * file fresh: UPDATE=1 writes it.
 */
import { grammarText } from "../../../compiler/1-parse/grammar-text.ts";
import { MAX_TERMS } from "../../../compiler/1-parse/build.ts";
import { MAX_CHARACTERS, MAX_MODELS, MAX_NAME } from "../../../compiler/1-parse/parse.ts";
import { MAX_NESTING } from "../../../compiler/1-parse/repair.ts";
import { keywordNames } from "../../../compiler/1-parse/tokens.ts";
import { facts } from "../../../compiler/2-check/facts.ts";
import { defaultText, valuesText } from "../../../compiler/2-check/field-text.ts";
import type { Option, Options } from "../../../compiler/2-check/fields.ts";
import { hardwareFields } from "../../../compiler/2-check/hardware-fields.ts";
import { objectiveFields, objectives } from "../../../compiler/2-check/objectives.ts";
import { PLAN_TOLERANCE, planFactDocs, planFields } from "../../../compiler/2-check/plan-fields.ts";
import { parts, type PartSpec } from "../../../compiler/2-check/parts.ts";
import { loraFields, stageDocs, stageFields, stages } from "../../../compiler/2-check/stages.ts";
import { sampleFields, sizeFields, tokenizers, trainFields } from "../../../compiler/2-check/settings.ts";
import { accelerators } from "../../../compiler/planner/tables/hardware.ts";
import { codes, messages } from "../../../compiler/diagnostics/messages.ts";
import { answerNames, functions, overRows, tokenNames } from "../../../runtime/contract/objective.ts";
import { starter } from "./starter.ts";

/** The chapters, in the order of the file. Each is a list of lines. */
export const reference = (): string =>
  [
    introduction(),
    settings(),
    severalModels(),
    equations(),
    partsChapter(),
    tokenizersChapter(),
    training(),
    sampling(),
    stagesChapter(),
    objectivesChapter(),
    expectations(),
    plansChapter(),
    hardwareChapter(),
    commandLine(),
    diagnostics(),
    grammar(),
  ]
    .flat()
    .join("\n");

const introduction = (): string[] => [
  "# The language",
  "",
  "Made from the tables that implement it (`compiler/1-parse`, `compiler/2-check`, " +
    "`compiler/diagnostics`); do not edit.",
  "",
  "A spec says what a model is: its sizes, and the equations of a layer. This is a whole one, as " +
    "`sinter init` writes it:",
  "",
  ...code(starter("tiny").trimEnd()),
  "",
];

const settings = (): string[] => [
  "## Settings",
  "",
  "`NAME VALUE`, as many on a line as you like; the value begins on the line of the name.",
  "",
  ...fieldTable(sizeFields),
  "",
  "A value is a number (`768`, `50_257`, `0.1`, `1e-3`), arithmetic with `+ - * / %` and parentheses " +
    "over numbers, settings and lets, `true` or `false`, or a word.",
  "`let NAME = VALUE` names a number of your own. Order means nothing: settings and lets may use " +
    "those that stand below them.",
  "",
  "Comments begin with `//`. Words with a fixed meaning, which cannot be names: " +
    keywordNames.map((k) => `\`${k}\``).join(", ") +
    ".",
  "",
];

const severalModels = (): string[] => [
  "## Several models",
  "",
  "`model NAME like OTHER { … }` takes everything from another model of the file, except its " +
    "`expect`, and replaces what it says itself: single settings and lets,",
  "also inside `train` and `sample`; `embed`, `layer`, `output` and `tokenizer` as a whole. What was " +
    "arithmetic is computed again with the new sizes.",
  "",
];

const equations = (): string[] => [
  "## Equations",
  "",
  "`embed token` or `embed token + position` (learned positions) makes the first `x`; a norm of all " +
    "of it, once, as in `embed layernorm(token + position)`, is possible.",
  "`layer { … }` holds equations, which run from top to bottom, for each layer with parameters of its " +
    "own. `x = …` replaces `x`; `x += …` adds to it; any other name keeps a value for the equations " +
    "below. The last `x` goes to the next layer.",
  "`output` is a `linear` to the vocabulary, of the last layer's `x`.",
  "",
  "Values are `x`, names, parts such as `mlp(layernorm(x))`, and sums of values. A part takes one " +
    "value; its options have names: `mlp(x, hidden: 4 * width)`.",
  "All values have the model's width, unless a `linear` with `out` changes it; sums need equal widths.",
  "",
];

const partsChapter = (): string[] => [
  "## Parts",
  ...Object.entries(parts).flatMap(([name, part]) => partSection(name, part)),
  "",
];

const tokenizersChapter = (): string[] => [
  "## Tokenizers",
  "",
  "`tokenizer NAME`. Without it: `bytes`, or `characters` where vocab is a number below 256. A spec " +
    "names no files: they are looked for beside it,",
  "in a folder `tokenizer` or of the tokenizer's name there, or where `--tokenizer PATH` says; a run " +
    "keeps a copy.",
  "",
  ...table(
    ["name", "vocab", "meaning"],
    Object.entries(tokenizers).map(([name, t]) => [
      `\`${name}\``,
      t.fixed ? `at least ${t.vocab}` : "must be given",
      t.doc,
    ]),
  ),
  "",
];

const training = (): string[] => [
  "## train { … }",
  "",
  "Names in a value mean the model's settings and lets first, then the section's own: `warmup steps / 10`.",
  "",
  ...fieldTable(trainFields),
  "",
  "`rows text`: the data is one text, and a row is a window at a random place in it. Where the " +
    "vocabulary has tokens that begin or end texts, `<|endoftext|>` in the file separates",
  "documents: `<s> one </s> <s> two </s>` with both, `one <|endoftext|> two` with GPT-2's, `<s> one " +
    "<s> two` with the first alone.",
  "",
  "`rows documents`: a row is one document, drawn with repetition: the token that begins texts (or, " +
    "without one, the token that ends them), the document, and the token that ends it as the last " +
    "target.",
  "What is behind it in the row is not counted, in training as in evaluation; the end is counted as " +
    "any other token. A document that does not fit is cut, and has no end then: training says how many " +
    "are.",
  "Documents are what stands between `<|endoftext|>`; where the file has none, every line that is not " +
    "empty. The loss is the mean over all counted targets, so long documents weigh more than short ones;",
  "bits per byte are over the bytes of the documents and of what separates them in the file. Samples " +
    "begin with the same token and end where the model ends them. `ids` has no token that ends a text.",
  "",
];

const sampling = (): string[] => ["## sample { … }", "", ...fieldTable(sampleFields), ""];

const stagesChapter = (): string[] => [
  "## After pre-training",
  "",
  "Blocks for what is begun with the weights of another run. A default may be a number of the model's own " +
    "`train`; `--set sft.lr=1e-4` changes one setting of a block.",
  "Of a verb with `--from RUN`, the block comes from the spec that is named, else from the run's own spec, " +
    "else all of it is as the defaults say; which, is printed and recorded.",
  ...stages.flatMap((stage) => [
    "",
    `### ${stage} { … }`,
    "",
    stageDocs[stage],
    "",
    ...fieldTable(stageFields[stage]),
  ]),
  "",
  "### lora { … }",
  "",
  "Inside of a stage's block: only two thin matrices beside linear maps are trained, " +
    "y = x W + (alpha / rank) · x A B; the weights stay as they are (Hu et al. 2021).",
  "",
  ...fieldTable(loraFields),
  "",
];

const objectivesChapter = (): string[] => [
  "## Objectives",
  "",
  "What a stage makes smaller is an equation for a token, an answer, or a pair of answers, summed over " +
    "all of them. `objective NAME = VALUE` in a model names one of your own, beside these:",
  "",
  ...table(
    ["objective", "equation", "meaning"],
    Object.entries(objectives).map(([name, { doc, source, equation }]) => [
      `\`${name}\``,
      `\`${equation}\``,
      `${doc} (${source})`,
    ]),
  ),
  "",
  ...namesTable("Numbers of a token", tokenNames),
  ...namesTable("Numbers of an answer; of a pair's with `chosen.` or `rejected.` before them", answerNames),
  ...namesTable(
    "Functions; those of rows make a number of an answer of its tokens'",
    Object.fromEntries([
      ...Object.entries(overRows).map(([name, doc]) => [name, { doc }]),
      ["nll", { doc: "of `chosen` or `rejected`: -mean(logp) of that answer" }],
      ...Object.entries(functions),
    ]),
  ),
  "Every other name is a setting:",
  "",
  ...fieldTable(objectiveFields),
  "",
  "`head NAME linear(x)` gives a model a scalar head, whose `value` equations may name: `x` are the rows " +
    "that the output's linear map reads. It begins at 0; `bias: true` gives it a bias.",
  "",
];

const namesTable = (title: string, names: Readonly<Record<string, { readonly doc: string }>>): string[] => [
  `${title}:`,
  "",
  ...table(
    ["name", "meaning"],
    Object.entries(names).map(([name, { doc }]) => [`\`${name}\``, doc]),
  ),
  "",
];

const expectations = (): string[] => [
  "## expect",
  "",
  "`expect FACT VALUE` states what should follow from the spec, for example a published parameter " +
    "count; the compiler checks it. `expect FACT VALUE ± PERCENT%` allows for so much.",
  "",
  ...table(
    ["fact", "meaning"],
    Object.entries(facts).map(([name, fact]) => [`\`${name}\``, fact.doc]),
  ),
  "",
];

const plansChapter = (): string[] => [
  "## plan { … }",
  "",
  "`plan NAME of MODEL on DEVICE { … }`, beside the models of a file: training the model on a cluster. A " +
    "model is free of machines; a plan says how it is spread over them, and what that should come to.",
  "",
  ...code(planExample),
  "",
  "`sinter plan SPEC` computes all plans of a file, `sinter check` checks them: what does not divide, what " +
    "does not fit, and every expectation. Names in a value are the model's settings and lets first.",
  "",
  "`plan NAME like PLAN { … }` takes model, device and settings of another plan, and then what it says " +
    "itself; `like PLAN of MODEL on DEVICE` names others of both. Expectations are not taken.",
  "",
  ...fieldTable(planFields),
  "",
  `\`expect FACT VALUE ± PERCENT%\`, of these facts; without \`±\`, ${PLAN_TOLERANCE} %:`,
  "",
  ...table(
    ["fact", "meaning"],
    Object.entries(planFactDocs).map(([name, doc]) => [`\`${name}\``, doc]),
  ),
  "",
  `Devices: ${accelerators.map(({ name, title }) => `\`${name}\` (${title})`).join(", ")}; and those of ` +
    "`hardware` blocks.",
  "",
];

const hardwareChapter = (): string[] => [
  "## hardware { … }",
  "",
  "`hardware NAME { … }`, beside models and plans: a device that the table does not have; `hardware NAME " +
    "like DEVICE { … }` one that differs from another in what it says. Plans name it behind `on`, the " +
    "command line with `--on NAME:COUNT`.",
  "",
  ...code(hardwareExample),
  "",
  "Amounts are in base units, without a unit behind them: bytes, bytes per second, operations per second, " +
    "watts. A name of the table (`hardware h100 { power 500 }`) means that device with other figures in " +
    "this file. What `like` takes from the table keeps its sources; plans say which figures are the " +
    "spec's own. How far steps stay from the limits was fitted to published steps on devices of the table: " +
    "a device that is like one of them has its constants, any other has an H100's.",
  "",
  "A device that is like none has to have all but other precisions (of `bf16` and `fp16` one) and the price:",
  "",
  ...fieldTable(hardwareFields),
  "",
];

const hardwareExample = [
  "hardware h100-500w like h100 { bf16 835e12   fp8 1671e12   power 500   price 1.95   price_year 2026 }",
  "hardware my-card {",
  "  bf16 200e12   memory 48e9   bandwidth 1e12",
  "  node 4   link 28e9   network 12.5e9   power 300",
  "}",
  "plan cheap of llama3-8b on my-card { devices 64   tokens 1e12 }",
].join("\n");

const planExample = [
  "plan meta-405b of llama3.1-405b on h100 {",
  "  devices 16384   tokens 15.6e12   sequence 8192   batch_tokens 16e6",
  "  tensor 8   pipeline 16",
  "  mfu 0.41   goodput 0.87   price 2.69   price_year 2026",
  "  expect flops 3.8e25 ± 1%",
  "  expect hours 30.84e6 ± 15%",
  "}",
].join("\n");

const commandLine = (): string[] => [
  "## From the command line",
  "",
  "`--set NAME=VALUE` changes a setting or a let; `--set train.lr=1e-3`, `--set sample.seed=1` those " +
    "of a section. A name that only one section has needs no prefix: `--set steps=100`.",
  "With other sizes the model is another one: its `expect` lines are not checked then. `--model NAME` " +
    "chooses one model of a file.",
  "",
];

const diagnostics = (): string[] => [
  "## Diagnostics",
  "",
  "`sinter explain CODE` tells the rest. Codes with W are warnings.",
  "",
  ...table(
    ["code", "meaning"],
    codes.map((c) => [c, messages[c].title]),
  ),
  "",
];

const grammar = (): string[] => [
  "## Grammar",
  "",
  "White space separates. A `NAME` is a letter, then letters, digits and `_`; a `MODEL_NAME` may also " +
    "hold `-` and `.`.",
  "",
  ...code(grammarText()),
  "",
  `Limits: ${MAX_CHARACTERS} characters, ${MAX_NAME} characters in a name, brackets ${MAX_NESTING} ` +
    `deep, ${MAX_TERMS} terms in a sum or product, ${MAX_MODELS} models.`,
  "",
];

const code = (text: string): string[] => ["```", ...text.split("\n"), "```"];

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((c) => c.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)];
}

const fieldTable = (fields: Options): string[] =>
  table(
    ["name", "value", "default", "meaning"],
    Object.entries(fields).map(([name, field]) => [
      `\`${name}\``,
      valuesText(field),
      defaultText(field),
      field.doc,
    ]),
  );

function partSection(name: string, part: PartSpec): string[] {
  const where = part.sections.length > 1 ? "" : ` Only in \`${part.sections[0]}\`.`;
  return [
    "",
    `### ${name}(x)`,
    "",
    `${part.doc}${where} (${part.source})`,
    "",
    `    ${part.equation}`,
    "",
    ...fieldTable(part.options),
    ...Object.values(part.options).flatMap(groupSection),
  ];
}

const groupSection = (field: Option): string[] =>
  field.kind === "group"
    ? ["", `\`${field.callee}(…)\`, as in \`${field.example}\`:`, "", ...fieldTable(field.fields)]
    : [];
