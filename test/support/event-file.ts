/** Reads TensorBoard's event files, field by field, with a CRC that is written another way than ours. */
interface DecodedEvent {
  readonly wallTime: number;
  readonly step: number;
  readonly version: string | undefined;
  readonly values: Readonly<Record<string, number>>;
}

/** CRC-32C, bit by bit. */
function slowCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit++) {
      const isSet = ((crc ^ (byte >>> bit)) & 1) === 1;
      crc = isSet ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
  return ~crc >>> 0;
}

function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/** Each record of a file. Throws where a length or a checksum is wrong. */
export function records(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const out: Uint8Array[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    const data = file.subarray(at + 12, at + 12 + length);
    const sums = [view.getUint32(at + 8, true), view.getUint32(at + 12 + length, true)].map(unmasked);
    if (slowCrc(file.subarray(at, at + 8)) !== sums[0] || slowCrc(data) !== sums[1])
      throw new Error(`the checksum of the record at ${at} is wrong`);
    out.push(data);
    at += length + 16;
  }
  return out;
}

type Field = readonly [field: number, value: DataView];

function fields(bytes: Uint8Array): Field[] {
  const out: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  const take = (count: number): DataView => new DataView(bytes.slice((at += count) - count, at).buffer);
  while (at < bytes.length) {
    const tag = varint();
    const kind = tag & 7;
    if (kind === 0) {
      const eight = new DataView(new ArrayBuffer(8));
      eight.setFloat64(0, varint(), true);
      out.push([tag >>> 3, eight]);
    } else out.push([tag >>> 3, take(kind === 1 ? 8 : kind === 5 ? 4 : varint())]);
  }
  return out;
}

const text = (view: DataView): string => new TextDecoder().decode(view);
const inside = (view: DataView): Field[] => fields(new Uint8Array(view.buffer));
const find = (all: readonly Field[], field: number): DataView | undefined =>
  all.find(([number]) => number === field)?.[1];

export const decodedEvents = (file: Uint8Array): DecodedEvent[] =>
  records(new Uint8Array(file)).map((data) => {
    const event = fields(data);
    const summary = find(event, 5);
    const version = find(event, 3);
    const values = (summary ? inside(summary) : []).map(([, value]) => {
      const parts = inside(value);
      return [text(find(parts, 1)!), find(parts, 2)!.getFloat32(0, true)] as const;
    });
    return {
      wallTime: find(event, 1)!.getFloat64(0, true),
      step: find(event, 2)?.getFloat64(0, true) ?? 0,
      version: version && text(version),
      values: Object.fromEntries(values),
    };
  });
