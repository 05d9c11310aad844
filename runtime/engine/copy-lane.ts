/**
 * The copy of a text's keys and values from one lane to another, within each memory of the module. Where they
 * lie is in the manifest (CachePlace).
 */
import type { CachePlace } from "../contract/manifest.ts";
import type { Partition } from "./partitions.ts";

type CopyLane = (from: number, to: number, positions: number) => void;

/** Undefined where the manifest does not say where keys and values are. */
export function laneCopier(partitions: readonly Partition[]): CopyLane | undefined {
  const memories = partitions.map(({ manifest, memory }) => ({
    bytes: new Uint8Array(memory.buffer),
    places: manifest.cache?.places,
  }));
  if (memories.some(({ places }) => places === undefined)) return undefined;
  return (from, to, positions) => {
    for (const { bytes, places } of memories)
      for (const place of places!) copyWithin(bytes, place, from, to, positions);
  };
}

/** Of each piece, the panels that hold so many positions; a ring has no more than all of its panels. */
function copyWithin(
  bytes: Uint8Array,
  { offset, pieces, pieceBytes, panelBytes, panelPositions }: CachePlace,
  from: number,
  to: number,
  positions: number,
): void {
  const laneBytes = pieces * pieceBytes;
  const taken = Math.min(pieceBytes, Math.ceil(positions / panelPositions) * panelBytes);
  for (let piece = 0; piece < pieces; piece++) {
    const source = offset + from * laneBytes + piece * pieceBytes;
    bytes.copyWithin(offset + to * laneBytes + piece * pieceBytes, source, source + taken);
  }
}
