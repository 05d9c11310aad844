/** Sizes of products that the tests check and the bench times. */
import type { Case } from "../../kit/op.ts";

type MatmulCase = Case<"M" | "N" | "K" | "L", Record<never, never>, never>;

/** L is the lines of a gate or a bend: a case that has neither does not say it. */
const plain = (M: number, K: number, N: number): MatmulCase => ({ d: { M, K, N } as MatmulCase["d"] });

export const forwardCases: readonly MatmulCase[] = [
  plain(1, 1, 1),
  plain(1, 61, 40),
  plain(3, 17, 15),
  plain(4, 40, 33),
  plain(5, 7, 16),
  plain(17, 61, 65),
  plain(13, 40, 8),
  plain(256, 768, 768),
  plain(256, 768, 2304),
  plain(256, 768, 3072),
  plain(256, 3072, 768),
  plain(768, 128, 384),
  plain(768, 128, 512),
  plain(768, 512, 128),
  plain(2048, 384, 1152),
  plain(2048, 384, 1536),
];

export const gradientCases: readonly MatmulCase[] = [
  plain(1, 1, 1),
  plain(40, 7, 61),
  plain(17, 3, 33),
  plain(65, 61, 16),
  plain(768, 256, 768),
  plain(768, 256, 2304),
  plain(768, 256, 3072),
  plain(3072, 256, 768),
  plain(128, 768, 384),
  plain(128, 768, 512),
  plain(512, 768, 128),
  plain(384, 2048, 1152),
  plain(384, 2048, 1536),
];
