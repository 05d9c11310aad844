/** The options of `sinter bench`. */
import { benchDefaults } from "../../../bench/suite/bench.ts";
import { peers, type Peer } from "../../../bench/suite/peers.ts";
import { SinterError } from "../../../runtime/base/errors.ts";
import { MAX_WORKERS } from "../../../runtime/contract/control.ts";
import { targets } from "../../../runtime/contract/targets.ts";
import { flag, named, negation, read, real, text, whole, wholeWithin, withDefault } from "./option.ts";

export const QUICK_SECONDS = 0.05;
const MOST_SECONDS = 600;
const MOST_PROCESSES = 99;

export const benchOptions = {
  filter: text(
    "<text>",
    'only what has this in its name, several with commas: "matmul", "256×768", "train S,decode"; ' +
      "gpt2 and mixture only when asked for",
  ),
  target: read(text("<target>", `${targets.join(", ")}; default: all three`), (given) =>
    named("target", targets, given, { list: "use " }),
  ),
  workers: read(
    text(
      "<counts>",
      "numbers of workers and of the peers' threads, with commas " +
        `(default: ${benchDefaults.workers.join(",")})`,
    ),
    countsFrom,
  ),
  seconds: read(
    text(
      "<seconds>",
      `per operation (default: ${benchDefaults.ms / 1000}); ` +
        "training steps, prompts and decoding get ten times that",
    ),
    secondsFrom,
  ),
  profile: flag("where the time of each step, prompt and token goes, kernel by kernel"),
  all: flag("small cases of operations too"),
  quick: flag(
    "a first impression within a minute: one case of each operation, the best target, " +
      `${QUICK_SECONDS} s each, no peers`,
  ),
  peers: read(
    text(
      "<names>",
      `beside it, with commas: ${peers.map((p) => p.short).join(", ")} (default: those that are installed)`,
    ),
    (given) => given.split(",").map(peerFrom),
  ),
  noPeer: negation("peer", "nothing beside it"),
  processes: withDefault(
    "1",
    whole("<n>", "measure rows of training in so many processes, which differ more than steps within one", {
      least: 1,
      most: MOST_PROCESSES,
    }),
  ),
  compare: text(
    "<file>",
    "beside what --json wrote earlier: ratios with 95 % intervals; without --filter, --target and " +
      "--workers, what was measured then is measured now",
  ),
  with: text("<file>", "compare with what --json wrote since, instead of measuring now"),
  failBelow: real(
    "<ratio>",
    "with --compare: exit code 1 where a row's whole interval is below this ratio, such as 0.95",
    { least: 0, most: 1 },
  ),
  list: flag("print the names, measure nothing"),
  json: flag("machine-readable"),
  report: text("<file>", "also a page with charts: roofline, speed over size and workers, tokens per second"),
};

function peerFrom(given: string): Peer {
  const name = given.trim();
  const peer = peers.find((p) => p.short.toLowerCase() === name.toLowerCase() || p.name === name);
  if (peer) return peer;
  throw new SinterError(
    "usage",
    `there is no peer \`${given}\``,
    `peers: ${peers.map((p) => p.short).join(", ")}`,
  );
}

function countsFrom(given: string, name: string): number[] {
  return given.split(",").map((text) => wholeWithin(name, text.trim(), { least: 1, most: MAX_WORKERS }));
}

function secondsFrom(given: string, name: string): number {
  const seconds = Number(given);
  if (seconds > 0 && seconds <= MOST_SECONDS) return seconds;
  throw new SinterError("usage", `${name} takes a number above 0, at most ${MOST_SECONDS}, not \`${given}\``);
}
