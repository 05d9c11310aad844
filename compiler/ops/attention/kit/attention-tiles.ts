/**
 * Other tiles of attention: QB queries × KB keys for each block of scores. The register tile MR × NR stays as
 * it is.
 */
import { ceilTo, PANEL } from "../../kit/panels.ts";
import type { AttentionAttrs } from "./kernel-sizes.ts";
import { outside, type TileChoices } from "../../kit/tile-choices.ts";

type AttentionTiles = Readonly<Record<"MR" | "NR" | "QB" | "KB", number>>;

/** What the blocks have to cover. */
export interface Blocked {
  /** Rows of queries, and positions that they may see. */
  readonly rows: number;
  readonly positions: number;
  /** Does a query see only what comes before it? */
  readonly causal: boolean;
}

/**
 * Blocks of queries are whole tiles of both register tiles (6 · 8 = 4 · 12), unless one block is all of them.
 */
const WHOLE_TILES = 48;

/** `blockedOf` reads off sizes and attributes what the blocks have to cover. */
export const attentionTileChoices = <D, A>(blockedOf: (d: D, attrs: A) => Blocked): TileChoices<D, A> => ({
  whyNot({ d, attrs, tiles: own }, tiles) {
    const { MR, NR, QB, KB } = tiles as AttentionTiles;
    const { rows, positions, causal } = blockedOf(d, attrs);
    if (MR !== own["MR"] || NR !== own["NR"]) return `MR × NR ${MR}×${NR} is not ${own["MR"]}×${own["NR"]}`;
    const mostRows = ceilTo(rows, MR);
    const mostKeys = ceilTo(positions, PANEL);
    return (
      outside("QB", QB, MR, mostRows) ??
      outside("KB", KB, PANEL, mostKeys) ??
      notWhole("QB", QB, mostRows, "rows", WHOLE_TILES) ??
      notWhole("KB", KB, mostKeys, "keys", PANEL) ??
      (KB < positions && causal && KB % QB !== 0 ? `KB ${KB} is not a multiple of QB ${QB}` : undefined)
    );
  },

  firstRound({ tiles }) {
    const own = tiles as AttentionTiles;
    const queries = [own.QB, 48, 96, 192];
    const keys = [own.KB, 96, 192, 256, 384, 512, 768];
    return queries.flatMap((QB) => keys.map((KB) => ({ ...own, QB, KB })));
  },

  secondRound: () => [],
});

/**
 * Those of attention over a cache: QB rows of queries, whole groups of heads. The blocks of positions are the
 * same for all kernels, and a single row has no choice.
 */
export const cachedTileChoices: TileChoices<{ readonly R: number }, AttentionAttrs> = {
  whyNot({ d, attrs, tiles: own }, tiles) {
    const { QB } = tiles as AttentionTiles;
    const group = attrs.heads / attrs.kv_heads;
    for (const name of ["MR", "NR", "KB"] as const)
      if (tiles[name] !== own[name]) return `${name} ${tiles[name]} is not ${own[name]}`;
    if (d.R === 1) return QB === own["QB"] ? undefined : `QB ${QB} is not ${own["QB"]}`;
    return (
      outside("QB", QB, group, d.R * group) ??
      (QB % group === 0 ? undefined : `QB ${QB} is not a multiple of the ${group} heads of a group`)
    );
  },

  firstRound({ d, attrs, tiles: own }) {
    const group = attrs.heads / attrs.kv_heads;
    const queries = d.R === 1 ? [] : [48, 96, 192].map((n) => Math.max(group, n - (n % group)));
    return [own, ...queries.map((QB) => ({ ...own, QB }))];
  },

  secondRound: () => [],
};

/** Those of `attention` and its gradient: all rows of a sequence, over all of its positions. */
export const sequenceTileChoices = attentionTileChoices((_d: unknown, { context }: AttentionAttrs) => ({
  rows: context,
  positions: context,
  causal: true,
}));

const notWhole = (name: string, value: number, all: number, what: string, step: number): string | undefined =>
  value !== all && value % step !== 0
    ? `${name} ${value} is neither all ${what} nor a multiple of ${step}`
    : undefined;
