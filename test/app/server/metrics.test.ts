/** /metrics: what is counted, in the form that Prometheus' own tool takes. */
import { execFileSync, spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { PYTHON, pythonHas } from "../../support/debian-python.ts";
import { ask, fakeApp, fakeServing } from "../../support/fake-serving.ts";

const hasParser = pythonHas("prometheus_client");
const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;

async function metricsOf(): Promise<string> {
  const { app } = fakeApp(fakeServing());
  await ask(app, "/v1/completions", { body: { prompt: "hello", seed: 1 } });
  await ask(app, "/no/such/path");
  await ask(app, "/v1/completions", { body: "{" });
  return (await ask(app, "/metrics")).text;
}

test("requests are counted by route and status, and paths that clients make up are one", async () => {
  const text = await metricsOf();
  for (const line of [
    'sinter_requests_total{route="/v1/completions",status="200"} 1',
    'sinter_requests_total{route="/v1/completions",status="400"} 1',
    'sinter_requests_total{route="none",status="404"} 1',
    "sinter_request_seconds_count 3",
    "sinter_time_to_first_token_seconds_sum 0.002",
    'sinter_time_to_first_token_seconds_bucket{le="0.005"} 1',
    "sinter_token_seconds_count 8",
    "sinter_generated_tokens_total 7",
    'sinter_cancelled_total{when="text"} 2',
    "sinter_slots 2",
    "sinter_cache_used_ratio 0.25",
  ])
    expect(text.split("\n")).toContain(line);
});

test.skipIf(!hasPromtool)(`promtool accepts them${hasPromtool ? "" : " (Debian's prometheus)"}`, async () => {
  expect(execFileSync("promtool", ["check", "metrics"], { input: await metricsOf(), encoding: "utf8" })).toBe(
    "",
  );
});

const why = hasParser ? "" : " (skipped: Debian's python3-prometheus-client is not there)";
test.skipIf(!hasParser)(`Prometheus' Python client reads the same numbers${why}`, async () => {
  const text = await metricsOf();
  const program = [
    "import json, sys",
    "from prometheus_client.parser import text_string_to_metric_families as families",
    "print(json.dumps([[s.name, s.labels, s.value] for f in families(sys.stdin.read()) for s in f.samples]))",
  ].join("\n");
  const read = JSON.parse(
    execFileSync(PYTHON, ["-c", program], { input: text, encoding: "utf8" }),
  ) as readonly (readonly [name: string, labels: Readonly<Record<string, string>>, value: number])[];
  const labelsOf = (labels: Readonly<Record<string, string>>): string => {
    const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
    return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
  };
  const lines = read.map(([name, labels, value]) => `${name}${labelsOf(labels)} ${value}`);
  const isSample = (line: string): boolean => line !== "" && !line.startsWith("#");
  expect(lines).toEqual(text.split("\n").filter(isSample));
});
