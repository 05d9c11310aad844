/** `hardware NAME { … }`, `hardware NAME like DEVICE { … }` → devices that plans and `--on` name. */
import type { HardwareNode } from "../1-parse/ast.ts";
import { nearest } from "../diagnostics/nearest.ts";
import type { Reporter } from "../diagnostics/report.ts";
import {
  acceleratorNamed,
  acceleratorNames,
  cells,
  givenPrice,
  precisions,
  sourcedCells,
  type Accelerator,
  type Sourced,
} from "../planner/tables/hardware.ts";
import type { Fields } from "./fields.ts";
import { hardwareFields, type HardwareValues } from "./hardware-fields.ts";
import { unrecordedModel, type NameRecorder } from "./record.ts";
import { makeScope } from "./scope.ts";
import { settingsBound } from "./settings-bound.ts";

export interface CheckHardwareOptions {
  readonly report: (node: HardwareNode) => Reporter;
  readonly record: NameRecorder;
}

/** What a file's blocks are: those that nothing is wrong with are also among `cards`. */
export interface FileHardware {
  readonly nodes: ReadonlyMap<string, HardwareNode>;
  readonly cards: ReadonlyMap<string, Accelerator>;
}

export function checkHardware(all: readonly HardwareNode[], o: CheckHardwareOptions): FileHardware {
  const nodes = new Map<string, HardwareNode>();
  for (const node of all) if (!nodes.has(node.name.text)) nodes.set(node.name.text, node);
  const cards = all.flatMap((node) => {
    const { name } = node;
    const report = o.report(node);
    o.record.define("hardware", name);
    const first = nodes.get(name.text)!;
    if (first !== node)
      report("E0709", name.span, { name: name.text }, [{ text: "the first is here", span: first.name.span }]);
    const line = lineOf(node, nodes, report, o.record);
    const card = line && checkOne(node, line, report, o.record);
    return card && first === node ? [card] : [];
  });
  return { nodes, cards: new Map(cards.map((card) => [card.name, card])) };
}

/** A block, the one that it is like …, and the device of the table that the last of them is like. */
interface Line {
  readonly blocks: readonly HardwareNode[];
  readonly base: Accelerator | undefined;
}

/** A block with the name of the table's device is like that one. */
function lineOf(
  node: HardwareNode,
  byName: ReadonlyMap<string, HardwareNode>,
  report: Reporter,
  record: NameRecorder,
): Line | undefined {
  const blocks = [node];
  for (let at = node; ;) {
    const { name, like } = at;
    const wanted = like?.text ?? name.text;
    const base = acceleratorNamed(wanted);
    const other = wanted === name.text ? undefined : byName.get(wanted);
    if (!other) {
      if (base || !like) return { blocks, base };
      if (at === node)
        reportUnknownDevice(
          like,
          [...byName.keys()].filter((one) => one !== name.text),
          report,
        );
      return undefined;
    }
    record.use(like!, other.name.span);
    if (blocks.includes(other)) {
      if (other === node) report("E0710", node.like!.span, { name: node.name.text });
      return undefined;
    }
    blocks.push(other);
    at = other;
  }
}

/** A name that neither the table nor the file has: the nearest of both is meant. */
export function reportUnknownDevice(
  { text, span }: HardwareNode["name"],
  own: readonly string[],
  report: Reporter,
): void {
  const words = [...new Set([...own, ...acceleratorNames])];
  report("E0208", span, {
    key: "hardware",
    word: text,
    words,
    nearest: nearest(text, words),
    help: undefined,
  });
}

const fields: Fields = hardwareFields;

/** What others call these figures. */
const namesOfOthers: Readonly<Record<string, string>> = {
  peak: "bf16",
  flops: "bf16",
  tflops: "bf16",
  vram: "memory",
  hbm: "memory",
  memory_bandwidth: "bandwidth",
  nvlink: "link",
  tdp: "power",
  watts: "power",
  devices: "node",
};

function checkOne(
  node: HardwareNode,
  { blocks, base }: Line,
  report: Reporter,
  record: NameRecorder,
): Accelerator | undefined {
  const silent: Reporter = () => undefined; // what is wrong with another block is told with that one
  const own = { where: "hardware", namesOfOthers, record, report };
  const bindings = new Map(
    blocks.toReversed().flatMap((one) => {
      const about = one === node ? own : { ...own, record: unrecordedModel, report: silent };
      return [...settingsBound(one.items, fields, about)];
    }),
  );
  const given = Object.fromEntries(Object.entries(fields).filter(([key]) => bindings.has(key)));
  const recorder = { ...unrecordedModel, use: record.use.bind(record) };
  const scope = makeScope({ bindings, fields: given, report, record: recorder });
  const values = Object.fromEntries([...bindings.keys()].map((key) => [key, scope.read(key)]));
  const missing = base ? [] : missingOf(bindings);
  if (missing.length > 0) report("E0711", node.name.span, { name: node.name.text, missing });
  const isWrong = Object.values(values).includes(undefined) || blocks.some(({ broken }) => broken);
  return isWrong || missing.length > 0 ? undefined : cardOf(node.name.text, values, base);
}

const missingOf = (given: ReadonlyMap<string, unknown>): readonly string[] => [
  ...(given.has("bf16") || given.has("fp16") ? [] : ["bf16"]),
  ...cells.filter((cell) => !given.has(cell)),
];

const aboutPrice: ReadonlySet<string> = new Set(["price_kind", "price_year"]);

/** The table's device, but for what the spec says; a device of its own where there is none. */
function cardOf(name: string, values: HardwareValues, base: Accelerator | undefined): Accelerator {
  const own = <T extends object>(keys: readonly (keyof HardwareValues & keyof T)[]): Partial<T> =>
    Object.fromEntries(
      keys.flatMap((key) => (values[key] === undefined ? [] : [[key, sourced(values[key])]])),
    ) as Partial<T>;
  const sourced = (value: unknown): Sourced => ({ value: value as number, source: "the spec", date: "" });
  const figures = own<Accelerator>(sourcedCells);
  const said = Object.keys(hardwareFields).filter(
    (key) => Object.hasOwn(values, key) && !aboutPrice.has(key),
  );
  const { price, price_kind: kind, price_year: year } = values;
  const title = base ? `${name} (${base.title} with figures of the spec)` : `${name} (figures of the spec)`;
  return {
    ...base,
    ...figures,
    name,
    title,
    node: values.node ?? base?.node,
    peak: { ...base?.peak, ...own<Accelerator["peak"]>(precisions) },
    ...(price !== undefined && { prices: [givenPrice(price, kind, year)] }),
    own: { fields: said, ...(base && { like: base.name }) },
  } as Accelerator; // nothing is missing
}
