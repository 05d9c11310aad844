/**
 * safetensors files: what is written is read back; more than sixty bad files are refused, each with a reason;
 * mutations never crash the reader.
 */
import { describe, expect, it } from "vitest";
import { SinterError } from "../../../runtime/base/errors.ts";
import { readSafetensors, writeHeader, type TensorToWrite } from "../../../runtime/store/safetensors.ts";
import { randomStream } from "../../../runtime/base/random.ts";

const utf8 = new TextEncoder();

/** A file with this header text and so many bytes of data. `length` is a false length of the header. */
function file(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const json = typeof header === "string" ? utf8.encode(header) : header;
  const out = new Uint8Array(8 + json.length + dataBytes);
  new DataView(out.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  out.set(json, 8);
  return out;
}

const good = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
const tensor = (rest: string): string => `{"a":{${rest}}}`;
const bytesAt = (shape: string, offsets: string): string =>
  `{"dtype":"U8","shape":${shape},"data_offsets":${offsets}}`;
const two = (first: string, second: string): string =>
  `{"a":${bytesAt("[4]", first)},"b":${bytesAt("[4]", second)}}`;
const empty = bytesAt("[0]", "[0,0]");

/** Bad files by name, with what the message has to say. */
const bad: Record<string, readonly [Uint8Array, RegExp]> = {
  "empty file": [new Uint8Array(), /too few/],
  "seven bytes": [new Uint8Array(7), /too few/],
  "length only, zero": [new Uint8Array(8), /no JSON object/],
  "length 1": [file("{", 0), /no JSON object/],
  "length beyond the file": [file(good, 8, 10_000n), /header of 10000 bytes in a file/],
  "length one too long": [file(good, 0, BigInt(good.length + 1)), /in a file of/],
  "length 100 MB and one": [file(good, 8, 100_000_001n), /at most 100000000/],
  "length 2^32": [file(good, 8, 2n ** 32n), /at most/],
  "length 2^53": [file(good, 8, 2n ** 53n), /at most/],
  "length 2^63": [file(good, 8, 2n ** 63n), /at most/],
  "length all ones": [file(good, 8, 2n ** 64n - 1n), /at most/],
  "not UTF-8": [file(Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d)), /not UTF-8/],
  "half a UTF-8 character": [file(Uint8Array.of(0x7b, 0x22, 0xc3, 0x22, 0x7d)), /not UTF-8/],
  "a byte-order mark": [file("\ufeff{}"), /does not begin with/],
  "begins with a space": [file(` ${good}`, 8), /does not begin with/],
  "an array": [file("[]"), /does not begin with/],
  null: [file("null"), /does not begin with/],
  "a text": [file('"a"'), /does not begin with/],
  unfinished: [file('{"a":'), /expected/],
  "no closing brace": [file(good.slice(0, -1), 8), /expected/],
  "trailing comma": [file('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},}', 8), /text in quotes/],
  "something after the object": [file(`${good}x`, 8), /something follows/],
  "two objects": [file(`${good}{}`, 8), /something follows/],
  "zero bytes as padding": [file(`${good}\u0000\u0000`, 8), /something follows/],
  "a comment": [file(`{/* */"a":{}}`), /text in quotes/],
  "single quotes": [file("{'a':{}}"), /text in quotes/],
  "unquoted key": [file("{a:{}}"), /text in quotes/],
  "a key that does not end": [file('{"a'), /does not end/],
  "bad escape": [file('{"a\\x":{}}'), /bad escape/],
  "control character in a key": [file('{"a\u0001":{}}'), /bad escape/],
  "tensor is a number": [file('{"a":1}'), /\{ was expected/],
  "tensor is null": [file('{"a":null}'), /\{ was expected/],
  "tensor is an array": [file('{"a":[]}'), /\{ was expected/],
  "tensor without anything": [file(tensor("")), /lacks/],
  "no dtype": [file(tensor('"shape":[2],"data_offsets":[0,8]'), 8), /lacks/],
  "no shape": [file(tensor('"dtype":"F32","data_offsets":[0,8]'), 8), /lacks/],
  "no offsets": [file(tensor('"dtype":"F32","shape":[2]'), 8), /lacks/],
  "one offset": [file(tensor('"dtype":"F32","shape":[2],"data_offsets":[0]'), 8), /lacks/],
  "three offsets": [file(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,8,8]'), 8), /more than 2/],
  "unknown key in a tensor": [
    file(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1'), 8),
    /unknown key/,
  ],
  "__proto__ in a tensor": [
    file(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,8],"__proto__":{}'), 8),
    /unknown key/,
  ],
  "dtype twice": [
    file(tensor('"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]'), 8),
    /dtype twice/,
  ],
  "shape twice": [
    file(tensor('"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]'), 8),
    /shape twice/,
  ],
  "offsets twice": [
    file(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,8],"data_offsets":[0,8]'), 8),
    /data_offsets twice/,
  ],
  "a tensor twice": [file(`{"a":${empty},"a":${empty}}`), /stands there twice/],
  "a tensor twice, once escaped": [file(`{"a":${empty},"\\u0061":${empty}}`), /stands there twice/],
  "metadata twice": [file('{"__metadata__":{},"__metadata__":{}}'), /stands there twice/],
  "metadata key twice": [file('{"__metadata__":{"a":"1","a":"2"}}'), /metadata key "a"/],
  "metadata with a number": [file('{"__metadata__":{"a":1}}'), /text in quotes/],
  "metadata with an object": [file('{"__metadata__":{"a":{}}}'), /text in quotes/],
  "metadata is null": [file('{"__metadata__":null}'), /\{ was expected/],
  "metadata is a tensor": [
    file('{"__metadata__":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    /text in quotes/,
  ],
  "unknown dtype": [file(tensor('"dtype":"F31","shape":[2],"data_offsets":[0,8]'), 8), /unknown dtype "F31"/],
  "dtype in lower case": [file(tensor('"dtype":"f32","shape":[2],"data_offsets":[0,8]'), 8), /unknown dtype/],
  "dtype constructor": [
    file(tensor('"dtype":"constructor","shape":[2],"data_offsets":[0,8]'), 8),
    /unknown dtype/,
  ],
  "dtype __proto__": [
    file(tensor('"dtype":"__proto__","shape":[2],"data_offsets":[0,8]'), 8),
    /unknown dtype/,
  ],
  "dtype is a number": [file(tensor('"dtype":32,"shape":[2],"data_offsets":[0,8]'), 8), /text in quotes/],
  "negative dimension": [file(tensor('"dtype":"F32","shape":[-2],"data_offsets":[0,8]'), 8), /whole number/],
  "fractional dimension": [
    file(tensor('"dtype":"F32","shape":[2.0],"data_offsets":[0,8]'), 8),
    /whole number/,
  ],
  "dimension with an exponent": [
    file(tensor('"dtype":"F32","shape":[2e0],"data_offsets":[0,8]'), 8),
    /whole number/,
  ],
  "dimension with a leading zero": [
    file(tensor('"dtype":"F32","shape":[02],"data_offsets":[0,8]'), 8),
    /whole number/,
  ],
  "dimension 2^53": [
    file(tensor('"dtype":"U8","shape":[9007199254740992],"data_offsets":[0,8]'), 8),
    /whole number/,
  ],
  "dimension is a text": [
    file(tensor('"dtype":"F32","shape":["2"],"data_offsets":[0,8]'), 8),
    /whole number/,
  ],
  "dimension is null": [file(tensor('"dtype":"F32","shape":[null],"data_offsets":[0,8]'), 8), /whole number/],
  "shape is a number": [file(tensor('"dtype":"F32","shape":2,"data_offsets":[0,8]'), 8), /\[ was expected/],
  "nested shape": [file(tensor('"dtype":"F32","shape":[[2]],"data_offsets":[0,8]'), 8), /whole number/],
  "33 dimensions": [
    file(tensor(`"dtype":"F32","shape":[${Array(33).fill(1)}],"data_offsets":[0,4]`), 4),
    /more than 32/,
  ],
  "product overflows": [
    file(tensor('"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]'), 8),
    /more elements than can be counted/,
  ],
  "product overflows, then zero": [
    file(tensor('"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]')),
    /more elements than can be counted/,
  ],
  "negative offset": [file(tensor('"dtype":"F32","shape":[2],"data_offsets":[-8,0]'), 8), /whole number/],
  "offset 1e20": [file(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,1e20]'), 8), /whole number/],
  "offset of 21 digits": [
    file(tensor('"dtype":"F32","shape":[2],"data_offsets":[0,100000000000000000000]'), 8),
    /whole number/,
  ],
  "ends before it begins": [
    file(tensor('"dtype":"F32","shape":[2],"data_offsets":[8,0]'), 8),
    /before it begins/,
  ],
  "ends beyond the file": [
    file(tensor('"dtype":"F32","shape":[4],"data_offsets":[0,16]'), 8),
    /of 8 bytes of data/,
  ],
  "fewer bytes than the shape": [
    file(tensor('"dtype":"F32","shape":[3],"data_offsets":[0,8]'), 8),
    /takes 12 bytes; it has 8/,
  ],
  "more bytes than the shape": [
    file(tensor('"dtype":"F32","shape":[1],"data_offsets":[0,8]'), 8),
    /takes 4 bytes; it has 8/,
  ],
  "an element's width ignored": [
    file(tensor('"dtype":"F16","shape":[2],"data_offsets":[0,8]'), 8),
    /takes 4 bytes; it has 8/,
  ],
  "hole at the start": [
    file(tensor('"dtype":"F32","shape":[2],"data_offsets":[4,12]'), 12),
    /leaving a hole/,
  ],
  "hole between": [file(two("[0,4]", "[5,9]"), 9), /leaving a hole/],
  "overlap by one": [file(two("[0,4]", "[3,7]"), 7), /inside another/],
  "the same place": [file(two("[0,4]", "[0,4]"), 4), /inside another/],
  "bytes after the last tensor": [file(good, 9), /1 bytes after the last tensor/],
  "data without tensors": [file("{}", 4), /4 bytes after the last tensor/],
  "data missing": [file(good, 0), /of 0 bytes of data/],
  "deep nesting": [file("{".repeat(100_000)), /text in quotes/],
  "deep arrays": [file(`{"a":{"shape":${"[".repeat(100_000)}`), /whole number/],
};

describe("bad files", () => {
  it("are more than sixty", () => expect(Object.keys(bad).length).toBeGreaterThanOrEqual(60));
  for (const [name, [bytes, message]] of Object.entries(bad))
    it(name, () => {
      const error = caught(() => readSafetensors(bytes, "bad.safetensors"));
      expect(error).toBeInstanceOf(SinterError);
      expect((error as SinterError).kind).toBe("corrupt");
      expect((error as SinterError).message).toMatch(message);
      expect((error as SinterError).message).toMatch(/^bad\.safetensors: .*(offset|tensor|bytes)/);
    });
});

function caught(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe("good files", () => {
  const tensors: readonly TensorToWrite[] = [
    { name: "wte.weight", dtype: "F32", shape: [3, 5] },
    { name: "7", dtype: "F16", shape: [2] },
    { name: "__proto__", dtype: "U8", shape: [0, 4] },
    { name: "scalar", dtype: "I64", shape: [] },
    { name: 'quote " and \u2028', dtype: "BOOL", shape: [1] },
  ];

  it("come back as they were written", () => {
    const header = writeHeader(tensors, { step: "3", "a b": "ü" });
    const bytes = new Uint8Array(header.length + 60 + 4 + 0 + 8 + 1);
    bytes.set(header);
    expect(header.length % 64).toBe(0);
    const read = readSafetensors(bytes, "good");
    expect([...read.metadata]).toEqual([
      ["step", "3"],
      ["a b", "ü"],
    ]);
    expect(
      [...read.tensors.values()]
        .map(({ name, dtype, shape }) => ({ name, dtype, shape }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
    ).toEqual([...tensors].sort((a, b) => (a.name < b.name ? -1 : 1)));
    expect(read.tensors.get("7")).toMatchObject({ begin: header.length + 60, end: header.length + 64 });
  });

  it("may be empty, unordered, or have spaces", () => {
    expect(readSafetensors(file("{}"), "x").tensors.size).toBe(0);
    expect(
      readSafetensors(file('{ "a" : { "shape" : [ 2 ] , "data_offsets":[0,8],"dtype":"F32" } }   \n', 8), "x")
        .tensors.size,
    ).toBe(1);
    expect([...readSafetensors(file(two("[4,8]", "[0,4]"), 8), "x").tensors.keys()]).toEqual(["b", "a"]);
    expect(
      readSafetensors(
        file('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1),
        "x",
      ).tensors.has("__proto__"),
    ).toBe(true);
  });

  it("refuses to write a name twice", () => {
    expect(() => writeHeader([tensors[0]!, tensors[0]!], {})).toThrow(/two tensors/);
  });
});

describe("mutations", () => {
  it("of a good file are read or refused, never anything else", () => {
    const header = writeHeader(
      [
        { name: "a", dtype: "F32", shape: [2, 3] },
        { name: "layers.0.b", dtype: "BF16", shape: [4] },
      ],
      { sinter: '{"step":1}' },
    );
    const whole = new Uint8Array(header.length + 32);
    whole.set(header);
    const random = randomStream(4, "mutations");
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"',
      "-1",
      "1e20",
      "0",
      "9007199254740993",
      "__proto__",
      "\\u0000",
      "é",
      "null",
    ].map((p) => utf8.encode(p));
    let refused = 0;
    const ROUNDS = 100_000;
    for (let i = 0; i < ROUNDS; i++) {
      let bytes = whole.slice();
      for (let n = 1 + random.below(3); n > 0; n--) {
        const at = random.below(bytes.length);
        const kind = random.below(4);
        if (kind === 0) bytes[at] = random.below(256);
        else if (kind === 1) bytes[at] = bytes[at]! ^ (1 << random.below(8));
        else if (kind === 2) bytes = bytes.slice(0, at);
        else bytes.set(pieces[random.below(pieces.length)]!.subarray(0, bytes.length - at), at);
        if (bytes.length === 0) break;
      }
      try {
        readSafetensors(bytes, "mutated");
      } catch (error) {
        if (!(error instanceof SinterError) || error.kind !== "corrupt") throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(ROUNDS / 2);
  });
});
