/** `sinter plan`: what is printed, what is counted, how it ends. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { main } from "../../../app/cli/main.ts";
import { shippedSpec } from "../../support/paths.ts";
import { base } from "../../support/sources.ts";

const folder = mkdtempSync(join(tmpdir(), "sinter-plan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const code = await main(argv, {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    tty: false,
    columns: 100,
    cwd: folder,
  });
  return { code, out, err };
}
const plans = `
plan small of base on h100 { devices 8  tokens 1e9  expect flops 3e13 ± 20% }
plan wrong of base on a100 { devices 8  tokens 1e9  expect hours 1e6 }
`;
writeFileSync(join(folder, "two.sinter"), base + plans);
writeFileSync(join(folder, "none.sinter"), base);
writeFileSync(
  join(folder, "own.sinter"),
  `${base}hardware my-card like h100 { memory 40e9  price 1.5 }
plan own of base on my-card { devices 8  tokens 1e9 }
plan table of base on h100 { devices 8  tokens 1e9 }
`,
);

test("devices of the spec's own: in plans, behind --on, side by side, solved for, in JSON", async () => {
  const all = await run("plan", "own.sinter");
  expect(all.out).toContain(
    "plan own: base on 8 devices: my-card (NVIDIA H100 SXM 80 GB with figures of the spec)",
  );
  expect(all.out).toContain("from the spec: memory, price;");
  const on = await run("plan", "own.sinter", "--on", "my-card:64", "--json");
  expect(JSON.parse(on.out)).toMatchObject({
    hardware: "my-card",
    settings: { devices: 64 },
    memory: { of: 40e9 },
    own_hardware: { figures_of_the_spec: ["memory", "price"], like: "h100", prices: [{ dollars: 1.5 }] },
  });
  const table = await run("plan", "own.sinter", "--on", "h100:64", "--json");
  expect(JSON.parse(table.out)).not.toHaveProperty("own_hardware");
  const beside = await run("plan", "own.sinter", "--compare", "own,table");
  expect(beside.out).toMatch(/figures of the devices +as h100; own: memory, price +of the table/);
  writeFileSync(join(folder, "shipped.sinter"), shippedSpec("gpt2"));
  const shipped = await run("plan", "shipped.sinter", "--plan", "at-home");
  expect(shipped.out).toContain("gpt2 on 1 device: rtx4090 (figures of the spec)\n");
  expect(shipped.out.replaceAll(/\s+/g, " ")).toContain(
    "hardware rtx4090: bf16 165 TFLOP/s; 22.4 GiB at 1.01 TB/s; 8 in a node, 28 GB/s within, " +
      "2.50 GB/s between; 450 W (all of it from the spec, not from the table)",
  );
  const solved = await run("plan", "own.sinter", "--on", "my-card:8", "--solve", "layers", "--json");
  expect(JSON.parse(solved.out)).toMatchObject({ hardware: "my-card", bound_by: null });
  const wrong = await run("plan", "own.sinter", "--on", "my-cart:8");
  expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining("did you mean my-card?")]);
});

test("a spec's plans are computed; a missed expectation is told twice, and is exit code 1", async () => {
  const { code, out, err } = await run("plan", "two.sinter");
  expect(code).toBe(1);
  expect(out).toContain("plan small: base on 8 devices: NVIDIA H100 SXM 80 GB\n");
  expect(out).toMatch(/ {2}expect flops 3\.00e13 ± 20 %: met, found [\d.]+e13\n/);
  expect(out).toContain("expect hours 1 M ± 1 %: MISSED, found");
  expect(err).toContain("error[E0703]: expected hours 1 M");
  expect(err).toContain("--> two.sinter:9:");
});

test("one plan by its name, with other settings; and what no plan says", async () => {
  const named = await run("plan", "two.sinter", "--plan", "small", "--tokens", "2B");
  expect([named.code, named.err]).toEqual([0, ""]);
  expect(named.out).toContain("for 2 B tokens");
  const other = await run("plan", "two.sinter", "--on", "a100:16");
  expect(other.out).toContain("base on 16 devices: NVIDIA A100 SXM 80 GB");
  const none = await run("plan", "none.sinter");
  expect(none.out).toContain("base on 8 devices: NVIDIA H100 SXM 80 GB");
  const unknown = await run("plan", "two.sinter", "--plan", "smal");
  expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining("small")]);
});

test("as JSON: each plan with what it expects", async () => {
  const { out } = await run("plan", "two.sinter", "--json");
  const all = JSON.parse(out) as { plan: string; expects: { fact: string; met: boolean }[] }[];
  expect(all.map(({ plan, expects }) => [plan, expects[0]!.fact, expects[0]!.met])).toEqual([
    ["small", "flops", true],
    ["wrong", "hours", false],
  ]);
});

test("plans and models side by side, each in a column", async () => {
  const { code, out } = await run("plan", "two.sinter", "--compare", "small,wrong,base", "--tokens", "3B");
  expect(code).toBe(0);
  const lines = out.split("\n");
  expect(lines[0]!.trim().split(/\s+/)).toEqual(["small", "wrong", "base"]);
  expect(lines.find((line) => line.startsWith("devices"))).toMatch(/8 h100 +8 a100 +8 h100$/);
  expect(lines.find((line) => line.startsWith("tokens "))).toMatch(/3 B +3 B +3 B$/);
  const json = JSON.parse((await run("plan", "two.sinter", "--compare", "small,base", "--json")).out) as {
    name: string;
    serving: { one: { decodeRate: number } };
  }[];
  expect(json.map(({ name }) => name)).toEqual(["small", "base"]);
  expect(json[0]!.serving.one.decodeRate).toBeGreaterThan(0);
  expect((await run("plan", "two.sinter", "--compare", "small,bas")).code).toBe(2);
});

test("the best size for the operations, by a fit that has a name", async () => {
  const best = async (...fit: string[]): Promise<string> => {
    const { out } = await run("plan", "none.sinter", "--on", "h100:8", "--json", ...fit);
    const { optimum } = JSON.parse(out) as { optimum: { fit: string; loss_of_run: number; loss: number } };
    expect(optimum.loss).toBeLessThan(optimum.loss_of_run);
    return optimum.fit;
  };
  expect(await best()).toBe("epoch");
  expect(await best("--fit", "hoffmann")).toBe("hoffmann");
});

test("solving says which limit binds: in words beside the plan, in JSON within it", async () => {
  const cluster = ["--on", "h100:8", "--tokens", "1B"];
  const alone = JSON.parse((await run("plan", "none.sinter", ...cluster, "--json")).out) as {
    run: { hours: number };
  };
  const asked = [...cluster, "--solve", "layers", "--hours", `${2 * alone.run.hours}`];
  const { out, err } = await run("plan", "none.sinter", ...asked);
  expect(err).toMatch(/^layers \d+ \(base has \d+\), bound by device hours \(--hours\): the next larger/);
  const json = JSON.parse((await run("plan", "none.sinter", ...asked, "--json")).out) as Record<
    string,
    unknown
  >;
  expect(json["bound_by"]).toBe("hours");
  const choices = json["choices"] as { within: boolean; bound_by: { by: string; share: number } }[];
  expect(choices.at(-1)).toMatchObject({ within: false, bound_by: { by: "hours" } });
  expect(choices.filter(({ within }) => within).every(({ bound_by: { share } }) => share <= 1)).toBe(true);
  const [head, ...lines] = out.slice(0, out.indexOf("\n\n")).split("\n");
  expect(head!.trim().split(/ {2,}/)).toEqual(
    "layers,parameters,loss,memory,device hours,days,money,writes tok/s,bound by".split(","),
  );
  expect(lines.length).toBe(choices.length);
  expect(lines.at(-2)).toMatch(/^→ \d+ .* █+·* \d+ % device hours$/);
  expect(lines.at(-1)).toMatch(/^ {2}\d+ .* █{10} 1\d\d % device hours: too much$/);
  expect(out).toContain(`${(json["sizes"] as { layers: number }).layers} layers of width`);
  const spread = await run("plan", "none.sinter", "--on", "h100:8", "--solve", "parallel", "--json");
  const { tried } = JSON.parse(spread.out) as { tried: { why: string }[] };
  expect([spread.err, tried.length > 0]).toEqual(["", true]);
  const table = await run("plan", "none.sinter", "--on", "h100:8", "--solve", "parallel");
  expect(table.out).toMatch(/^ {2}spread +micro-batches +recompute +memory +tok\/s +MFU causal +days/);
  expect(table.out).toMatch(/\n→ shard 8 +\d+ × \d+ +none .* % starting kernels\n/);
});

test("a price says whose it is, and of when; moments in 8 bits take less", async () => {
  const at = (...more: string[]) => run("plan", "none.sinter", "--on", "h100:1", "--micro", "1", ...more);
  expect((await at("--price", "2.69 RunPod 2026-11")).out).toContain("($2.69 an hour: RunPod, 2026-11)");
  expect((await at("--price", "2.69")).out).toContain("($2.69 an hour: as given)");
  for (const wrong of ["cheap", "2,69", "1e3"]) expect((await at("--price", wrong)).code, wrong).toBe(2);
  const states = async (optimizer: string): Promise<number> => {
    const { out } = await at("--json", "--states", "sharded", "--optimizer", optimizer);
    const plan = JSON.parse(out) as { parameters: number; memory: { terms: { bytes: number }[] } };
    return plan.memory.terms[0]!.bytes / plan.parameters;
  };
  expect([await states("adamw"), await states("adamw8")]).toEqual([16, 10.03125]);
});

test("facts: published steps and runs, each with what follows here", async () => {
  writeFileSync(join(folder, "gpt2.sinter"), shippedSpec("gpt2"));
  const { out } = await run("plan", "gpt2.sinter", "--model", "gpt2", "--facts");
  expect(out).toMatch(
    /published {2}501,600 tok\/s of a device, 15\.1 GiB: [^\n]+\n {2}here {7}[\d,]+ tok\/s/,
  );
  const json = JSON.parse(
    (await run("plan", "gpt2.sinter", "--model", "gpt2-xl", "--facts", "--json")).out,
  ) as {
    run: { model: string };
    steps: { here: { tokens_per_second: number } }[];
  };
  expect(json.run.model).toBe("gpt2-xl");
  expect(json.steps[0]!.here.tokens_per_second).toBeGreaterThan(40_000);
});

test("check tells the same, below the models", async () => {
  const { code, out, err } = await run("check", "two.sinter");
  expect(code).toBe(1);
  expect(out).toMatch(/plan small: base on 8 devices: [^\n]*\n {2}expect flops [^\n]*: met/);
  expect(err).toContain("error[E0703]");
});
