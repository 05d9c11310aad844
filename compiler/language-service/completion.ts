/** What may stand at a place, from the language's tables, best first. */
import type { IToken } from "chevrotain";
import { isName, keywordNames, ModelName } from "../1-parse/tokens.ts";
import { factNames, facts } from "../2-check/facts.ts";
import type { Option, Options } from "../2-check/fields.ts";
import { isPart, partNames, parts, type PartSpec } from "../2-check/parts.ts";
import type { Binding } from "../2-check/scope.ts";
import { tokenizers } from "../2-check/settings.ts";
import { stages } from "../2-check/stages.ts";
import { acceleratorNamed, acceleratorNames } from "../planner/tables/hardware.ts";
import type { Span } from "../diagnostics/span.ts";
import { likeable, needs } from "./circles.ts";
import { layerKinds, type TokenizerName } from "../../runtime/contract/model.ts";
import { contextAfter, INPUT, type Owner, type Slot, type WritingContext } from "./completion-context.ts";
import {
  factDoc,
  fieldDetail,
  fieldDoc,
  hardwareDoc,
  keywordDocs,
  layerKindDocs,
  tokenizerDoc,
  wordDoc,
} from "./describe.ts";
import { indexBefore, spanOf, type Document } from "./document.ts";
import type { Completion } from "./language-service.ts";
import {
  blockOffer,
  exampleOf,
  newHardware,
  newModel,
  newPlan,
  objectiveNumbers,
  objectiveOperands,
  partOffer,
  pieces,
  planFactOffers,
  snippet,
  type Offer,
} from "./offers.ts";
import { fieldsIn, type Block } from "./roles.ts";
import type { ModelNotes } from "./symbol-table.ts";

export function complete(doc: Document, place: number): readonly Completion[] {
  const at = Math.max(0, Math.min(place, doc.text.length));
  if (doc.comments.some((comment) => comment.startOffset < at && at <= spanOf(comment).end)) return [];
  const last = indexBefore(doc, at);
  const touching = doc.tokens[last];
  const word = touching && isWord(touching) && spanOf(touching).end >= at ? touching : undefined;
  const before = doc.tokens.slice(0, word ? last : last + 1);
  const replaces: Span = word ? spanOf(word) : { start: at, end: at };
  const line = doc.text.slice(0, at).split(/\r\n|\n|\r/).length;
  const typed = doc.text.slice(replaces.start, at).toLowerCase();
  const offers = new Offers(doc, contextAfter(before, line)).all();
  const begins = offers.filter(({ label }) => label.toLowerCase().startsWith(typed));
  const others = offers.filter((offer) => !begins.includes(offer));
  return [...begins, ...others].map(
    ({ label, kind, insert = label, isSnippet = false, detail = "", documentation = "" }, rank) => ({
      label,
      insert,
      isSnippet,
      kind,
      detail,
      documentation,
      replaces,
      rank,
    }),
  );
}

const isWord = ({ tokenType: type, image }: IToken): boolean =>
  isName(type) || type === ModelName || keywordNames.includes(image);

const keyword = (label: string): Offer => ({
  label,
  kind: "keyword",
  documentation: keywordDocs[label]!,
});

const nameOffer = (label: string): Offer => ({ label, kind: "model" });

class Offers {
  private readonly doc: Document;
  private readonly context: WritingContext;
  /** The model around, where the checker got to know it. */
  private readonly notes: ModelNotes | undefined;

  constructor(doc: Document, context: WritingContext) {
    this.doc = doc;
    this.context = context;
    const { model, like } = context;
    const named = (name: string | undefined): ModelNotes | undefined =>
      doc.symbols.models.find(({ resolved }) => resolved.node.name.text === name);
    this.notes = named(model) ?? named(like);
  }

  all(): readonly Offer[] {
    const { waiting, block } = this.context;
    switch (waiting.for) {
      case "own name":
      case "sign":
      case "plan body":
      case "tolerance":
        return [];
      case "of":
        return [keyword("of"), keyword("like")];
      case "on":
        return [keyword("on")];
      case "like plan":
        return likeable(this.doc.file.plans, this.context.plan).map(nameOffer);
      case "planned model":
        return this.doc.file.models.map(({ name }) => nameOffer(name.text));
      case "device":
        return this.devices(this.doc.file.hardware.map(({ name }) => name.text));
      case "like device":
        return this.devices(likeable(this.doc.file.hardware, this.context.device));
      case "model body":
        return waiting.hasLike ? [] : [keyword("like")];
      case "like":
        return likeable(this.doc.file.models, this.context.model).map(nameOffer);
      case "tokenizer":
        return Object.keys(tokenizers).map((label) => this.tokenizer(label));
      case "fact":
        return this.facts();
      case "layer kind":
        return layerKinds.map((label) => ({ label, kind: "word", documentation: layerKindDocs[label]! }));
      case "member":
        return objectiveNumbers();
      case "operand":
        return this.operands(waiting.slot);
      case "argument":
        return this.arguments(waiting.slot);
      case "operator":
        return block === "call" || block === "group" ? [] : this.items();
      case "item":
      case "after kind":
        return this.items();
    }
  }

  // ---- what begins

  private items(): readonly Offer[] {
    const { block, given } = this.context;
    switch (block) {
      case "file":
        return [newModel, newHardware, newPlan(this.doc.file.models.at(-1)?.name.text ?? "model")];
      case "plan":
        return [...this.settings("plan", given), { label: "expect", kind: "keyword", insert: "expect " }];
      case "layer":
        return this.equations();
      case "model":
        return this.modelItems();
      case "call":
      case "group":
        return [];
      default:
        return [
          ...this.settings(block, given),
          ...(block.includes(".") || block === "train" || block === "sample" || block === "hardware"
            ? []
            : [blockOffer("lora")]),
        ];
    }
  }

  private equations(): readonly Offer[] {
    const own = [...new Set(this.context.given)].filter((name) => name !== "x");
    return [
      { label: "x +=", kind: "value", insert: "x += ", documentation: "Adds to x: a residual connection." },
      { label: "x =", kind: "value", insert: "x = ", documentation: "Replaces x." },
      ...own.map((name): Offer => ({ label: `${name} =`, kind: "value", insert: `${name} = ` })),
    ];
  }

  private modelItems(): readonly Offer[] {
    const { given } = this.context;
    const has = (name: string): boolean => given.includes(name);
    const inherited = this.notes?.resolved;
    const missing = (["embed", "layer", "output"] as const).filter((name) => !has(name));
    const settings = this.settings("model", given);
    const isMissing = ({ label }: Offer): boolean => this.missing().includes(label);
    return [
      ...settings.filter(isMissing),
      ...missing.filter((name) => !inherited?.[name]).map((name) => pieces[name]),
      ...settings.filter((offer) => !isMissing(offer)),
      ...missing.filter((name) => inherited?.[name]).map((name) => pieces[name]),
      ...["tokenizer", "let", "expect"]
        .filter((name) => name !== "tokenizer" || !has(name))
        .map((label): Offer => ({ ...keyword(label), insert: `${label} ` })),
      ...["train", "sample", ...stages].filter((name) => !has(name)).map(blockOffer),
      ...["objective", "head"].map((label): Offer => ({ ...keyword(label), insert: `${label} ` })),
    ];
  }

  /** Sizes that must be given, and are not. */
  private missing(): readonly string[] {
    const { given } = this.context;
    const sizes = this.notes?.resolved.sizes;
    const tokenizer = this.notes?.resolved.tokenizer?.text ?? "bytes";
    const counts = Object.hasOwn(tokenizers, tokenizer) && !tokenizers[tokenizer as TokenizerName].fixed;
    return Object.entries(fieldsIn("model"))
      .filter(([key, field]) => (key === "vocab" ? counts : !field.initial))
      .map(([key]) => key)
      .filter((key) => !given.includes(key) && !sizes?.has(key));
  }

  private settings(block: Block, given: readonly string[]): readonly Offer[] {
    return Object.entries(fieldsIn(block))
      .filter(([key]) => !given.includes(key))
      .map(([key, field]): Offer => ({
        label: key,
        kind: "setting",
        ...snippet(`${key} `, exampleOf(key, field)),
        detail: fieldDetail(field),
        documentation: fieldDoc(field),
      }));
  }

  /** The text's own first, which may stand for one of the table. */
  private devices(own: readonly string[]): readonly Offer[] {
    const { hardware } = this.doc.checked;
    return [...new Set([...own, ...acceleratorNames])].map((label): Offer => {
      const card = hardware.get(label) ?? acceleratorNamed(label);
      return { label, kind: "word", ...(card && { documentation: hardwareDoc(card) }) };
    });
  }

  private tokenizer(label: string): Offer {
    return { label, kind: "word", documentation: tokenizerDoc(label)! };
  }

  /** Facts with what they are now. */
  private facts(): readonly Offer[] {
    if (this.context.block === "plan") return planFactOffers(this.context.given);
    const model = this.doc.checked.models.find(({ name }) => name === this.context.model);
    return factNames
      .filter((name) => !this.context.given.includes(`expect ${name}`))
      .map((label): Offer => ({
        label,
        kind: "setting",
        ...(model ? { insert: `${label} ${facts[label].of(model)}` } : {}),
        documentation: factDoc(label)!,
      }));
  }

  // ---- values

  private operands(slot: Slot): readonly Offer[] {
    switch (slot.kind) {
      case "setting":
        return this.valuesOf(fieldsIn(slot.block)[slot.key], slot.key, slot.block, slot.key);
      case "let":
        return this.numbers("model", this.context.lets.at(-1));
      case "expect":
        return this.numbers("model");
      case "objective":
        return objectiveOperands();
      case "equation":
        return this.inputs(slot);
      case "option":
        return this.valuesOf(optionsOf(slot.owner)[slot.key], slot.key, "model");
    }
  }

  /** `own`: the setting that gets the value. */
  private valuesOf(field: Option | undefined, key: string, block: Block, own?: string): readonly Offer[] {
    const objectives =
      key === "objective" && block !== "model" ? [...(this.notes?.resolved.objectives.keys() ?? [])] : [];
    switch (field?.kind) {
      case "flag":
        return ["true", "false"].map((label) => ({ label, kind: "word" }));
      case "word":
      case "words":
        return [
          ...objectives.map((label): Offer => ({ label, kind: "objective", detail: "of this model" })),
          ...field.words.map((label): Offer => ({
            label,
            kind: key === "objective" ? "objective" : "word",
            documentation: wordDoc(label, key, field),
          })),
        ];
      case "group": {
        const written = field.example.slice(field.example.indexOf(":") + 1).trim();
        return [{ label: written, kind: "part", documentation: field.doc }];
      }
      default:
        return this.numbers(block, own);
    }
  }

  /** Names of numbers: lets first, then settings; none that needs the one that is being written. */
  private numbers(block: Block, own?: string): readonly Offer[] {
    const sizes = this.notes?.resolved.sizes ?? new Map<string, Binding>();
    const needsOwn = (name: string): boolean => {
      if (own === undefined) return false;
      if (block === "model") return needs(name, own, sizes);
      return name === own && !Object.hasOwn(fieldsIn("model"), name); // inside, the model's names come first
    };
    const bound = [...sizes].flatMap(([name, { kind }]) => (kind === "let" ? [name] : []));
    const lets = [...new Set([...this.context.lets, ...bound])];
    const isAlone = block === "model" || block === "hardware";
    const tables = isAlone ? [fieldsIn(block)] : [fieldsIn("model"), fieldsIn(block)];
    const named = tables.flatMap((fields) =>
      Object.entries(fields).filter(([, field]) => field.kind === "whole" || field.kind === "real"),
    );
    return [
      ...lets.map((label): Offer => ({ label, kind: "let" })),
      ...[...new Map(named)].map(([label, field]): Offer => ({
        label,
        kind: "setting",
        detail: fieldDetail(field),
        documentation: fieldDoc(field),
      })),
    ].filter(({ label }) => !needsOwn(label));
  }

  /** Values of equations and parts that may stand here. */
  private inputs(slot: Slot): readonly Offer[] {
    if (slot.kind !== "equation") return [];
    const { section } = slot;
    if (this.context.owner && !isPart(this.context.owner.callee)) return [];
    const values = section === "embed" ? ["token", "position"] : [...new Set(["x", ...this.context.values])];
    const allowed = partNames.filter((name) => (parts[name] as PartSpec).sections.includes(section));
    const ordered = section === "output" && !this.context.owner ? first(allowed, "linear") : allowed;
    return [
      ...(section === "output" && !this.context.owner
        ? []
        : values.map((label): Offer => ({ label, kind: "value" }))),
      ...ordered.map((label): Offer => partOffer(label, section)),
    ];
  }

  /** The one input first, then options. */
  private arguments(slot: Slot): readonly Offer[] {
    if (slot.kind === "objective") return objectiveOperands();
    return [...(this.context.given.includes(INPUT) ? [] : this.inputs(slot)), ...this.options()];
  }

  private options(): readonly Offer[] {
    const { owner, given } = this.context;
    if (!owner) return [];
    return Object.entries(optionsOf(owner))
      .filter(([name]) => !given.includes(name))
      .map(([name, field]): Offer => ({
        label: `${name}:`,
        kind: "option",
        ...(field.kind === "group"
          ? { insert: field.example }
          : snippet(`${name}: `, exampleOf(name, field))),
        detail: fieldDetail(field),
        documentation: fieldDoc(field),
      }));
  }
}

const optionsOf = ({ callee, of }: Owner): Options => {
  if (of && isPart(of.part)) {
    const group = (parts[of.part] as PartSpec).options[of.option];
    return group?.kind === "group" ? group.fields : {};
  }
  return isPart(callee) ? (parts[callee] as PartSpec).options : {};
};

const first = <T>(all: readonly T[], one: T): readonly T[] => [one, ...all.filter((other) => other !== one)];
