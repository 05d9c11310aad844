/**
 * What a server has done, in Prometheus' text format (version 0.0.4). Names follow its rules: seconds, and
 * `_total` for what only grows.
 */
import type { Serving, TextMade } from "../pool/serving.ts";

type Labels = Readonly<Record<string, string>>;

class Histogram {
  readonly #bounds: readonly number[];
  /** How many values lie at or below each bound. */
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  add(value: number, times = 1): void {
    this.#bounds.forEach((bound, i) => (this.#counts[i]! += value <= bound ? times : 0));
    this.#count += times;
    this.#sum += value * times;
  }

  lines(name: string): string[] {
    return [
      ...this.#bounds.map((bound, i) => line(`${name}_bucket`, this.#counts[i]!, { le: `${bound}` })),
      line(`${name}_bucket`, this.#count, { le: "+Inf" }),
      line(`${name}_sum`, this.#sum),
      line(`${name}_count`, this.#count),
    ];
  }
}

export class Metrics {
  /** By route and status. */
  readonly #requests = new Map<string, { readonly labels: Labels; count: number }>();
  readonly #seconds = new Histogram([0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]);
  readonly #firstToken = new Histogram([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]);
  readonly #token = new Histogram([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]);

  /** `route`: its name in the table, and no path that a client has made up. */
  requestEnded(route: string, status: number, ms: number): void {
    const labels = { route, status: `${status}` };
    const key = `${route} ${status}`;
    const known = this.#requests.get(key) ?? { labels, count: 0 };
    known.count++;
    this.#requests.set(key, known);
    this.#seconds.add(ms / 1000);
  }

  textMade({ tokens, firstTokenMs, madeMs }: TextMade): void {
    if (tokens.length > 0) this.#firstToken.add(firstTokenMs / 1000);
    const later = tokens.length - 1;
    if (later > 0) this.#token.add(madeMs / 1000 / later, later);
  }

  text(serving: Serving): string {
    const counts = serving.counts();
    const requests = [...this.#requests.values()].map(({ labels, count }) => ({ labels, value: count }));
    const cancelled = Object.entries(counts.cancelled).map(([when, value]) => ({ labels: { when }, value }));
    return [
      ...sampled("sinter_requests_total", "counter", "Requests that were answered.", requests),
      ...head("sinter_request_seconds", "histogram", "How long requests took."),
      ...this.#seconds.lines("sinter_request_seconds"),
      ...head("sinter_time_to_first_token_seconds", "histogram", "From the request to a text's first token."),
      ...this.#firstToken.lines("sinter_time_to_first_token_seconds"),
      ...head("sinter_token_seconds", "histogram", "The time of each later token, as the mean of its text."),
      ...this.#token.lines("sinter_token_seconds"),
      ...one("sinter_prompt_tokens_total", "counter", "Tokens of prompts.", counts.promptTokens),
      ...one("sinter_prompt_tokens_cached_total", "counter", "Those that did not run.", counts.cachedTokens),
      ...one("sinter_generated_tokens_total", "counter", "Tokens that were drawn.", counts.madeTokens),
      ...sampled("sinter_cancelled_total", "counter", "Texts that were given up, and when.", cancelled),
      ...one("sinter_restarts_total", "counter", "How often the model was loaded anew.", counts.restarts),
      ...one("sinter_requests_running", "gauge", "Texts that grow now.", counts.running),
      ...one("sinter_requests_waiting", "gauge", "Texts that wait for a slot.", counts.waiting),
      ...one("sinter_slots", "gauge", "Texts that can grow at once.", counts.lanes),
      ...one(
        "sinter_cache_used_ratio",
        "gauge",
        "The share of all positions that is used.",
        counts.usedRatio,
      ),
      ...one(
        "process_resident_memory_bytes",
        "gauge",
        "Memory of the process that is resident.",
        process.memoryUsage.rss(),
      ),
      "",
    ].join("\n");
  }
}

type Kind = "counter" | "gauge" | "histogram";

const head = (name: string, kind: Kind, help: string): string[] => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${kind}`,
];

const one = (name: string, kind: Kind, help: string, value: number): string[] =>
  sampled(name, kind, help, [{ value }]);

const sampled = (
  name: string,
  kind: Kind,
  help: string,
  values: readonly { readonly value: number; readonly labels?: Labels }[],
): string[] => [...head(name, kind, help), ...values.map(({ value, labels }) => line(name, value, labels))];

function line(name: string, value: number, labels: Labels = {}): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
}

const escaped = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
