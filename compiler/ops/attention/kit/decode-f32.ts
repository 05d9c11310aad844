/**
 * Attention of a single new row over one block of an f32 cache, bound by reading it. All heads of a worker go
 * side by side, as the cache has them in memory, from 16 positions to the next 16: first through the keys of
 * the block, then through its values.
 */
import type { Dims } from "../../kit/signature.ts";
import type { Target } from "../../../../runtime/contract/targets.ts";
import type { Writer } from "../../kit/writer.ts";
import { zeroBytes } from "../../kit/copy-rows.ts";
import { MASK_BYTES } from "./score-rows.ts";
import { sizesOf, type AttentionAttrs, type Sizes } from "./kernel-sizes.ts";
import { registerTile, callTile, type Tile } from "../../kit/register-tile.ts";
import { ceilTo, PANEL, PANEL_BYTES } from "../../kit/panels.ts";
import { longestBlock } from "./key-blocks.ts";
import { emitSoftmax, statistics } from "./softmax.ts";

export function rowBlocks(target: Target, attrs: AttentionAttrs, positions: number): Dims {
  const { MR, NR } = registerTile(target);
  const heads = attrs.heads;
  return {
    MR: Math.min(MR, heads / attrs.kv_heads),
    NR,
    QB: heads,
    KB: longestBlock(positions),
  };
}

/**
 * Sizes for a single row of queries: the rows of scores are the query heads of all key/value heads, and each
 * of them sees every key.
 */
export function rowSizes(d: Dims, attrs: AttentionAttrs, tiles: Dims): Sizes {
  const s = sizesOf(d, attrs, tiles, 1);
  return { ...s, causal: false, QB: s.H };
}

/** Areas in scratch: their names are locals of the kernel. */
export const rowAreas = (s: Sizes) => ({
  mask: MASK_BYTES,
  scores: ceilTo(s.QB, 4) * s.KB * 4,
  ...statistics(s),
});

/** Bytes from head to head within 16 positions of the caches, and from these positions to the next 16. */
export const cacheStrides = ({ D, DP, G }: Sizes) => ({
  keyHead: D * PANEL_BYTES,
  keyPanel: G * D * PANEL_BYTES,
  valueHead: DP * PANEL_BYTES,
  valuePanel: G * DP * PANEL_BYTES,
});

/** Copies the key and the value of head g from `row` of qkv to position n of the caches. */
export function emitNewKey(w: Writer, s: Sizes, row: string, keys: string, values: string): void {
  const { H, G, D, DP } = s;
  const { keyHead, keyPanel, valueHead, valuePanel } = cacheStrides(s);
  w.line(
    `const key = ${row} + <usize>(${H} + g) * ${D * 4}, key_to = ${keys} + <usize>g * ${keyHead} + ` +
      `<usize>(n >> 4) * ${keyPanel} + ((n & 15) << 2);`,
  );
  w.line(
    `for (let c: usize = 0; c < ${D}; c++) store<f32>(key_to + c * ${PANEL_BYTES}, load<f32>(key + (c ` +
      "<< 2)));",
  );
  w.line(
    `const value = ${row} + <usize>(${H + G} + g) * ${D * 4}, value_to = ${values} + <usize>g * ` +
      `${valueHead} + <usize>(n >> 4) * ${valuePanel} + <usize>(n & 15) * ${PANEL_BYTES};`,
  );
  const element = `value_to + (c >> 4) * ${PANEL * PANEL_BYTES} + ((c & 15) << 2)`;
  const padding = D % PANEL === 0 ? "" : `c >= ${D} ? 0 : `;
  w.line(
    `for (let c: usize = 0; c < ${DP}; c++) store<f32>(${element}, ${padding}load<f32>(value + (c << 2)));`,
  );
}

export interface OneRow {
  /** Addresses of q [heads, D], of the caches, and of attended [rows, DP]. */
  readonly query: string;
  readonly keys: string;
  readonly values: string;
  readonly attended: string;
  /** Key/value heads, i32: from … to. */
  readonly fromHead: string;
  readonly toHead: string;
  /** The cache is a ring: how many rows (i32, a multiple of 16) it has. */
  readonly ring: string | undefined;
}

/**
 * One block of positions, `first_key` and the `block_keys` − 1 behind it: attended = Σ e^(score − shift) V
 * for the heads, with `shift` and `sum` of each in their areas. `start` is the new row's position.
 */
export function emitOneRow(w: Writer, s: Sizes, target: Target, p: OneRow): void {
  const { D, DP, KB, group, NR } = s;
  const { keyHead, keyPanel, valueHead, valuePanel } = cacheStrides(s);
  const panel = `<usize>(${p.ring ? `(first_key + k) % ${p.ring}` : "(first_key + k)"} >> 4)`;
  w.line(
    `const rows = (${p.toHead} - ${p.fromHead}) * ${group}, ahead = start - first_key, seen = ` +
      `${s.windowed ? "max(ahead + 1 - WINDOW, 0)" : "0"}; // query heads`,
  );
  eachPanel(w, s, `${p.keys} + ${panel} * ${keyPanel} + <usize>${p.fromHead} * ${keyHead}`, keyHead, () => {
    for (const c of columns(PANEL, NR))
      tiles(
        w,
        s,
        { nr: NR, aRow: D * 4, aStep: 4, bStep: PANEL_BYTES, outRow: KB * 4 },
        {
          a: `${p.query} + <usize>${p.fromHead} * ${group * D * 4}`,
          b: `b + ${c * 4}`,
          out: `scores + <usize>((k + ${c}) << 2)`,
          steps: `${D}`,
        },
      );
  });
  const block = { scores: "scores", rows: "rows", keys: "block_keys", ahead: "ahead", wholePanels: true };
  emitSoftmax(w, s, target, block, "own");
  w.line(`${zeroBytes(w)}(${p.attended}, <usize>rows * ${DP * 4});`);
  eachPanel(
    w,
    s,
    `${p.values} + ${panel} * ${valuePanel} + <usize>${p.fromHead} * ${valueHead}`,
    valueHead,
    () => {
      w.line(
        `const from = max(k, seen), skipped = <usize>(from - k) * ${PANEL_BYTES}, steps = ` +
          `min(block_keys - k, ${PANEL}) - (from - k);`,
      );
      for (const c of columns(D, NR))
        tiles(
          w,
          s,
          { nr: NR, aRow: KB * 4, aStep: 4, bStep: PANEL_BYTES, outRow: DP * 4, mode: "add" },
          {
            a: "scores + <usize>(from << 2)",
            b: `b + ${(c - (c % PANEL)) * PANEL_BYTES + (c % PANEL) * 4} + skipped`,
            out: `${p.attended} + ${c * 4}`,
            steps: "steps",
          },
        );
    },
  );
}

const columns = (total: number, step: number): number[] =>
  Array.from({ length: Math.ceil(total / step) }, (_, i) => i * step);

/**
 * For 16 positions after the other, from `seen` on, and for each head: k is the first of the positions, b the
 * head's panels, r the head's first row of scores.
 */
function eachPanel(w: Writer, s: Sizes, first: string, head: number, body: () => void): void {
  w.block(`for (let k = seen & ~${PANEL - 1}; k < block_keys; k += ${PANEL})`, () => {
    w.line(`let b = ${first};`);
    w.block(`for (let r: usize = 0; r < <usize>rows; r += ${s.group}, b += ${head})`, body);
  });
}

/** out[group,nr] = a[group,steps] · b for the rows from r on; `a` and `out` are the addresses of row 0. */
function tiles(
  w: Writer,
  s: Sizes,
  shape: Omit<Tile, "mr"> & { readonly outRow: number },
  { a, b, out, steps }: Readonly<Record<"a" | "b" | "out" | "steps", string>>,
): void {
  for (const row of columns(s.group, s.MR)) {
    const tile = { ...shape, mr: Math.min(s.MR, s.group - row) };
    const at = (address: string, bytes: number): string =>
      `${address} + ${row ? `(r + ${row})` : "r"} * ${bytes}`;
    w.line(callTile(w, tile, { a: at(a, shape.aRow), b, steps, out: at(out, shape.outRow) }));
  }
}
