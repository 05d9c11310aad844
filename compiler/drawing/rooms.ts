/**
 * What is drawn of a program: a room for each of its sections, in it the kernels in the order in which they
 * run, and the values that go from one to the next. Layers that are alike are one room. Pure data, so that a
 * page can show a kernel's numbers beside the drawing.
 */
import type { Model } from "../../runtime/contract/model.ts";
import type { Storage } from "../../runtime/contract/storage.ts";
import { printRef, refShape, whole, type Graph, type Node, type Ref, type Role } from "../3-graph/ir.ts";
import { partOfNode, type PartName } from "../3-graph/part-of.ts";
import { twins } from "../5-fuse/rules.ts";
import { kernelContext, tasksOf } from "../6-tile/kernel-spec.ts";
import { callBytes, callFlops, type Call, type Program, type ProgramSection } from "../6-tile/program.ts";
import { kernelNames } from "../8-emit/module.ts";
import { kindOf, type Kind } from "./kinds.ts";

export interface Room {
  readonly name: string;
  readonly role: Role;
  /** Backward rooms: the room whose cotangents this one computes. */
  readonly of: string | undefined;
  readonly times: number;
  /** Downward: the last layer comes first. */
  readonly order: "up" | "down";
  /** What its kernels read and other rooms, or whoever calls, have made. */
  readonly reads: readonly RoomValue[];
  readonly kernels: readonly RoomKernel[];
}

/** A tensor that kernels hand to each other. */
export interface RoomValue {
  /** Unique in its room: "x[i+1]". */
  readonly ref: string;
  readonly label: string;
  readonly shape: readonly number[];
  /** Rooms that made it, or "input", or "the layer before"; and those that read it later. */
  readonly from: readonly string[];
  readonly to: readonly string[];
}

/** A tensor that lies in memory from run to run. */
export interface KernelTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** How many of this shape there are: one for each layer, or one. */
  readonly slices: number;
  readonly storage: Storage;
}

export interface RoomKernel {
  /** The number of its step in the entry, from 0, as in the arena. */
  readonly step: number;
  /** The function in the module's code. */
  readonly name: string;
  readonly op: string;
  readonly kind: Kind;
  /** The operations that became this one, as the equations have them: "matmul", "bias", "gelu". */
  readonly words: readonly string[];
  readonly doc: string;
  readonly part: PartName | undefined;
  readonly reads: readonly string[];
  readonly makes: readonly RoomValue[];
  readonly tensors: readonly KernelTensor[];
  /** Of one call. */
  readonly flops: number;
  readonly bytes: number;
  readonly tasks: number;
  readonly sizes: Readonly<Record<string, number>>;
  readonly tiles: Readonly<Record<string, number>>;
}

/** The rooms of one entry. `programs` are all of its module's, for the same target. */
export function roomsOf(model: Model, program: Program, programs: readonly Program[]): readonly Room[] {
  const { graph, sections } = program;
  const names = kernelNames(programs);
  const touches = touchesOf(program);
  let step = 0;
  return sections.map((section, index): Room => {
    const valueOf = (ref: Ref, made: boolean): RoomValue => ({
      ref: printRef(ref),
      label: labelOf(graph, ref),
      shape: refShape(graph, ref),
      from: made ? [] : originsOf({ graph, sections, touches, index }, ref),
      to: made ? readersOf({ graph, sections, touches, index }, ref) : [],
    });
    const made = new Map<string, RoomKernel>();
    const reads = new Map<string, RoomValue>();
    const kernels = section.calls.map((call): RoomKernel => {
      const ins = Object.values(call.node.ins).filter((ref) => travelsIn(graph, ref));
      const outs = Object.values(call.node.outs).filter((ref) => travelsIn(graph, ref));
      for (const ref of ins) if (!made.has(printRef(ref))) reads.set(printRef(ref), valueOf(ref, false));
      const makers = ins.flatMap((ref) => made.get(printRef(ref)) ?? []);
      const kernel: RoomKernel = {
        ...kernelOf(graph, call),
        name: names.of(call),
        step: step++,
        part: partOfNode(model, section.role, call.node) ?? makers.at(-1)?.part,
        reads: unique(ins.map(printRef)),
        makes: outs.map((ref) => valueOf(ref, true)),
      };
      for (const ref of outs) made.set(printRef(ref), kernel);
      return kernel;
    });
    const { name, role, of, times, order } = section;
    return { name, role, of, times, order, reads: [...reads.values()], kernels };
  });
}

const unique = <T>(all: readonly T[]): readonly T[] => [...new Set(all)];

function kernelOf(graph: Graph, call: Call): Omit<RoomKernel, "name" | "step" | "part" | "reads" | "makes"> {
  const { node, spec } = call;
  const tensors = [...Object.values(node.ins), ...Object.values(node.outs)].filter(
    (ref) => !travelsIn(graph, ref),
  );
  return {
    op: node.op,
    kind: kindOf(node.op),
    words: wordsOf(node),
    doc: spec.op.doc,
    tensors: unique(tensors.map(({ value }) => value)).map((name) => {
      const { shape, slices, storage } = graph.values.get(name)!;
      return { name, shape, slices, storage };
    }),
    flops: callFlops(call),
    bytes: callBytes(call),
    tasks: tasksOf(spec),
    sizes: spec.d,
    tiles: kernelContext(spec).tiles,
  };
}

/**
 * Whether a value goes from kernel to kernel; weights, gradients and caches stay where they are, and so do
 * the numbers of the control block.
 */
function travelsIn(graph: Graph, { value }: Ref): boolean {
  const { storage, control } = graph.values.get(value)!;
  if (control !== undefined) return false;
  return storage === "activation" || storage === "input" || storage === "output";
}

/** The operations that became this one: what an equation writes after each other, a kernel does at once. */
function wordsOf({ op, ins, attrs }: Node): readonly string[] {
  const twin = twins.find(({ fused }) => fused === op);
  if (twin) return [twin.first, twin.second];
  const { activation = "none", derivative = "none" } = attrs;
  const isProduct = kindOf(op) === "product";
  return [
    op,
    ...(ins["bias"] && isProduct ? ["bias"] : []),
    ...(activation !== "none" && isProduct ? [`${activation}`] : []),
    ...(derivative !== "none" ? [`${derivative}′`] : []),
    ...(ins["add"] ? ["add"] : []),
  ];
}

/** "x", "x of the next layer", "x of all layers". */
function labelOf(graph: Graph, { value, slice }: Ref): string {
  const { slices, storage } = graph.values.get(value)!;
  if (slice.kind === "all") return `${value}, all ${slices}`;
  if (slice.step === 1 && slice.base !== 0)
    return `${value} of the ${slice.base > 0 ? "next" : "last"} layer`;
  return slice.step === 0 && slices > 1 && storage === "activation" && slice.base === slices - 1
    ? `${value} of the last layer`
    : value;
}

// ---- between rooms

/** Whoever runs the entry: he gives its inputs and takes its outputs. */
const CALLER = "the caller";

/** A section's kernel reads or writes slices `first` … `last` of a value, over all iterations. */
interface Touch {
  readonly section: number;
  readonly writes: boolean;
  readonly value: string;
  readonly first: number;
  readonly last: number;
}

function touchesOf({ graph, sections }: Program): readonly Touch[] {
  return sections.flatMap(({ calls, carries, times }, section) => {
    const touch = (ref: Ref, writes: boolean): Touch => ({
      section,
      writes,
      value: ref.value,
      ...slicesOf(graph, ref, times),
    });
    return [
      ...calls.flatMap(({ node }) => [
        ...Object.values(node.ins).map((ref) => touch(ref, false)),
        ...Object.values(node.outs).map((ref) => touch(ref, true)),
      ]),
      // behind the last iteration, what was carried has the name under which it came in
      ...carries.map(({ from }) => touch(whole(from), true)),
    ];
  });
}

function slicesOf(graph: Graph, { value, slice }: Ref, times: number): Pick<Touch, "first" | "last"> {
  if (slice.kind === "all") return { first: 0, last: graph.values.get(value)!.slices - 1 };
  return { first: slice.base, last: slice.base + slice.step * (times - 1) };
}

const meets = (one: Pick<Touch, "first" | "last">, other: Touch): boolean =>
  one.first <= other.last && other.first <= one.last;

interface Place {
  readonly graph: Graph;
  readonly sections: readonly ProgramSection[];
  readonly touches: readonly Touch[];
  readonly index: number;
}

function originsOf({ graph, sections, touches, index }: Place, ref: Ref): readonly string[] {
  if (graph.values.get(ref.value)!.storage === "input") return [CALLER];
  const range = slicesOf(graph, ref, sections[index]!.times);
  const writers = touches.filter((t) => t.writes && t.value === ref.value && meets(range, t));
  const before = writers.findLast(({ section }) => section < index);
  return [
    ...(before ? [sections[before.section]!.name] : []),
    ...(writers.some(({ section }) => section === index) ? ["the layer before"] : []),
  ];
}

function readersOf({ graph, sections, touches, index }: Place, ref: Ref): readonly string[] {
  const { carries, times } = sections[index]!;
  const range = slicesOf(graph, ref, times);
  const carried = carries.find(({ to }) => to === ref.value)?.from;
  const isOurs = (t: Touch): boolean => t.value === carried || (t.value === ref.value && meets(range, t));
  const over = touches.find((t) => t.writes && t.section > index && isOurs(t))?.section ?? Infinity;
  const readers = touches.filter((t) => !t.writes && t.section <= over && isOurs(t));
  const goesRound =
    carried !== undefined ||
    (ref.slice.kind === "at" && ref.slice.base === 1 && readers.some(({ section }) => section === index));
  return unique([
    ...(goesRound ? ["the next layer"] : []),
    ...readers.filter(({ section }) => section > index).map(({ section }) => sections[section]!.name),
    ...(graph.values.get(ref.value)!.storage === "output" ? [CALLER] : []),
  ]);
}
