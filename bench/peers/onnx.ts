/**
 * ONNX models (github.com/onnx/onnx, onnx.proto, IR version 9), written by hand: nodes, attributes, inputs,
 * weights in the file or beside it. Numbers after the names are the fields of onnx.proto.
 */
import { concat } from "../../runtime/base/bytes.ts";
import { bytes, float, int, message, string, type Bytes } from "../../runtime/base/protobuf-write.ts";

export const FLOAT = 1;
export const INT64 = 7; // TensorProto.DataType
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 } as const; // AttributeProto.AttributeType
const IR_VERSION = 9;
const EXTERNAL = 1;

export type Attribute = number | string | readonly number[] | { readonly float: number };
/** A number is a fixed dimension, a text the name of one that may vary. */
export type Dimension = number | string;

export interface External {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface Graph {
  readonly nodes: readonly Bytes[];
  readonly initializers: readonly Bytes[];
  readonly inputs: readonly Bytes[];
  readonly outputs: readonly Bytes[];
}

export const node = (
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Bytes =>
  concat([
    ...inputs.map((name) => string(1, name)),
    ...outputs.map((name) => string(2, name)),
    string(3, `${op}/${outputs[0]}`),
    string(4, op),
    ...Object.entries(attributes).map(([name, value]) => message(5, attribute(name, value))),
  ]);

function attribute(name: string, value: Attribute): Bytes[] {
  const typed = (type: number, ...fields: Bytes[]): Bytes[] => [string(1, name), ...fields, int(20, type)];
  if (typeof value === "number") return typed(ATTRIBUTE.int, int(3, value));
  if (typeof value === "string") return typed(ATTRIBUTE.string, string(4, value));
  if ("float" in value) return typed(ATTRIBUTE.float, float(2, value.float));
  return typed(ATTRIBUTE.ints, ...value.map((v) => int(8, v)));
}

/** ValueInfoProto: an input or output of the graph. */
export const value = (name: string, type: number, shape: readonly Dimension[]): Bytes => {
  const dimensions = shape.map((d) => message(1, [typeof d === "number" ? int(1, d) : string(2, d)]));
  return concat([string(1, name), message(2, [message(1, [int(1, type), message(2, dimensions)])])]);
};

/** TensorProto with its numbers in the file. */
export const tensor = (name: string, type: number, shape: readonly number[], raw: Bytes): Bytes =>
  concat([...shape.map((d) => int(1, d)), int(2, type), string(8, name), bytes(9, raw)]);

/** TensorProto whose numbers lie in another file. */
export const externalTensor = (
  name: string,
  type: number,
  shape: readonly number[],
  { file, offset, bytes: length }: External,
): Bytes =>
  concat([
    ...shape.map((d) => int(1, d)),
    int(2, type),
    string(8, name),
    ...Object.entries({ location: file, offset: `${offset}`, length: `${length}` }).map(([key, text]) =>
      message(13, [string(1, key), string(2, text)]),
    ),
    int(14, EXTERNAL),
  ]);

export const integers = (values: readonly number[]): Bytes =>
  new Uint8Array(BigInt64Array.from(values, BigInt).buffer);

/** ModelProto. ONNX Runtime's own operators (com.microsoft) may be used too. */
export const model = (name: string, opset: number, g: Graph): Bytes =>
  concat([
    int(1, IR_VERSION),
    string(2, "sinter bench"),
    message(7, [
      ...g.nodes.map((n) => bytes(1, n)),
      string(2, name),
      ...g.initializers.map((t) => bytes(5, t)),
      ...g.inputs.map((v) => bytes(11, v)),
      ...g.outputs.map((v) => bytes(12, v)),
    ]),
    message(8, [string(1, ""), int(2, opset)]),
    message(8, [string(1, "com.microsoft"), int(2, 1)]),
  ]);
