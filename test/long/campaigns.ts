/**
 * THE table of campaigns: `npm run test:long -- NAME …` runs them, `npm run test:long -- --list` shows them.
 */
import type { Campaign } from "./campaign.ts";

type Row = Omit<Campaign, "run"> & { load(): Promise<Campaign["run"]> };

export const campaigns: readonly Row[] = [
  {
    name: "kills",
    covers:
      "SIGKILL before, in and after file operations, and at random times: a resumed run ends with the " +
      "same bytes",
    minutes: 60,
    load: async () => (await import("./kills.ts")).kills,
  },
  {
    name: "stages",
    covers: "SIGKILL of each stage after pre-training at random times, on 1 to 3 workers: the same bytes",
    minutes: 3,
    load: async () => (await import("./stage-kills.ts")).stageKills,
  },
  {
    name: "tour",
    covers: "every command of README, in order, on real data",
    minutes: 6,
    load: async () => (await import("./tour.ts")).tour,
  },
  {
    name: "chain",
    covers:
      "README's chain from a text to rewards: rewards beat the best of eight answers before them, on " +
      "questions that nobody has seen",
    minutes: 3,
    load: async () => (await import("./chain.ts")).chain,
  },
  {
    name: "it",
    covers:
      'specs/it.sinter from three seeds: "it" looks at the noun that is meant, in sentences whose words ' +
      "did not stand together in training",
    minutes: 2,
    load: async () => (await import("./it.ts")).it,
  },
  {
    name: "flips",
    covers:
      "one bit of one file of a run is another × eval, sample, resume: refused, or an older checkpoint " +
      "with a line, or no difference",
    minutes: 15,
    load: async () => (await import("./flips.ts")).flips,
  },
  {
    name: "states",
    covers:
      "checkpoints whose state has a right hash and cannot be × eval, sample, resume: refused by the " +
      "field's name, the older one taken",
    minutes: 3,
    load: async () => (await import("./states.ts")).states,
  },
];
