/** The command line: what a person sees, exit codes, no stack traces. */
import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { format } from "../../../compiler/1-parse/format.ts";
import { main } from "../../../app/cli/main.ts";
import type { Io } from "../../../app/cli/terminal/io.ts";
import { verbs } from "../../../app/cli/verbs/index.ts";
import { root } from "../../support/paths.ts";
import { base } from "../../support/sources.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sinter-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const io: Io = {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    tty: false,
    columns: 100,
    cwd: folder,
  };
  const code = await main(argv, io);
  expect(out + err).not.toMatch(/^\s+at .*:\d+:\d+/m);
  return { code, out, err };
}
const put = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return name;
};
const take = (name: string): string => readFileSync(join(folder, name), "utf8");

describe("the frame", () => {
  test("--help lists every verb; no verb is a mistake", async () => {
    const { code, out } = await run("--help");
    expect(code).toBe(0);
    for (const verb of verbs) expect(out).toContain(`${verb.name} `);
    expect(await run()).toMatchObject({ code: 2 });
  });
  test("--version", async () =>
    expect(await run("--version")).toEqual({
      code: 0,
      out: `${(JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { version: string }).version}\n`,
      err: "",
    }));
  test.each(verbs)(
    "$name: its file and its row agree, and --help has examples where there are arguments",
    async ({ name, summary, load }) => {
      const verb = await load();
      expect([verb.name, verb.summary]).toEqual([name, summary]);
      const { code, out } = await run(name, "--help");
      expect(code).toBe(0);
      if (/^Arguments:/m.test(out)) expect(out).toMatch(/examples?:/);
      expect(out).toContain(`sinter ${name}`);
    },
  );
  test.each([
    [["chek"], "did you mean `sinter check`?"],
    [["check", "--jsn", "x"], "did you mean --json?"],
    [["check"], "`sinter check --help` shows how"],
    [["--verbose"], "`sinter --help` lists the verbs"],
    [["fmt"], "`sinter fmt --help` shows how"],
    [["check", "x.sinter", "--set", "width"], "for example --set width=256"],
    [["init", "a", "b"], "`sinter init --help` shows how"],
    [["check", "x.sinter", "--model"], "`sinter check --help` shows how"],
  ])("%o is a mistake of usage", async (argv, help) => {
    const { code, err } = await run(...argv);
    expect(code).toBe(2);
    expect(err).toMatch(/^error: .*\nhelp: /);
    expect(err).toContain(help);
  });
  test("an exception that nobody expected is our bug: 70", async () => {
    const io: Io = {
      out: () => {
        throw new TypeError("broken");
      },
      err: () => undefined,
      tty: false,
      columns: 80,
      cwd: folder,
    };
    expect(await main(["explain"], io)).toBe(70);
  });
});

describe("check", () => {
  test("a good spec", async () => {
    const { code, out, err } = await run("check", put("good.sinter", base));
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("total");
  });
  test("a bad one: diagnostics on stderr, exit 1, the other models' tables all the same", async () => {
    const { code, out, err } = await run(
      "check",
      put("bad.sinter", `${base}model m like base { widht 4 }\n`),
    );
    expect(code).toBe(1);
    expect(err).toContain("error[E0202]");
    expect(err).toContain("--> bad.sinter:7:");
    expect(out).toContain("base");
  });
  test("--json", async () => {
    const { code, out } = await run(
      "check",
      put("bad.sinter", `${base}model m like base { widht 4 }\n`),
      "--json",
    );
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      models: [{ name: "base", parameters: 4_624 }],
      diagnostics: [
        {
          code: "E0202",
          severity: "error",
          file: "bad.sinter",
          line: 7,
          column: 21,
          endLine: 7,
          endColumn: 26,
          help: "did you mean `width`?",
        },
      ],
    });
  });
  test("--set and --model", async () => {
    put("good.sinter", base);
    expect((await run("check", "good.sinter", "--set", "width=16", "--set", "heads=4")).out).toContain(
      "width 16",
    );
    expect(await run("check", "good.sinter", "--set", "width=7")).toMatchObject({
      code: 1,
      err: expect.stringContaining("--> --set:1:7"),
    });
    expect(await run("check", "good.sinter", "--model", "bse")).toMatchObject({
      code: 1,
      err: expect.stringContaining("did you mean `base`?"),
    });
  });
  test("--numerics: which products prompts are made of", async () => {
    put("good.sinter", base);
    const asked = ["explain", "good.sinter", "--module", "infer", "--weights", "q8_0", "--tiles"];
    const ops = async (...more: string[]): Promise<readonly string[]> =>
      [...new Set((await run(...asked, ...more)).out.match(/matmul_(integer|quantised)/g))].toSorted();
    expect(await ops()).toEqual(["matmul_integer"]);
    expect(await ops("--numerics", "float")).toEqual(["matmul_integer", "matmul_quantised"]);
    expect(await run(...asked, "--numerics", "flot")).toMatchObject({
      code: 2,
      err: expect.stringContaining("there is no mode `flot`"),
    });
  });
  test("--lanes: keys and values of each", async () => {
    put("good.sinter", base.replace(/x \+= /, "x += attention(rmsnorm(x)) $&"));
    const bytes = async (lanes: number): Promise<number> => {
      const { out } = await run("check", "good.sinter", "--lanes", `${lanes}`);
      const [, each, all] = /positions: (?:\d+ lanes × ([\d,]+) = )?([\d,]+) bytes/.exec(out)!;
      const number = (text: string): number => Number(text.replaceAll(",", ""));
      if (lanes > 1) {
        expect(number(each!) * lanes).toBe(number(all!));
        expect(out).toMatch(
          new RegExp(`of train, keys and values .*: ${lanes} lanes × ${each} = ${all} bytes`),
        );
      }
      return number(all!);
    };
    expect(await bytes(8)).toBe(8 * (await bytes(1)));
    expect(await run("check", "good.sinter", "--lanes", "0")).toMatchObject({
      code: 2,
      err: expect.stringContaining("--lanes takes a whole number from 1 to 1024"),
    });
  });
  test.each([
    ["no-such.sinter", /there is no such file/],
    [".", /it is a folder/],
    ["good.sinter/x", /not a folder/],
    ["bytes.sinter", /not UTF-8/],
  ])("%s cannot be read", async (path, why) => {
    put("good.sinter", base);
    writeFileSync(join(folder, "bytes.sinter"), Uint8Array.of(0x6d, 0xff, 0xfe));
    const { code, err } = await run("check", path);
    expect(code).toBe(1);
    expect(err).toMatch(why);
  });
  test("a name nearly right", async () => {
    put("good.sinter", base);
    expect((await run("check", "god.sinter")).err).toContain("did you mean good.sinter?");
  });
});

describe("fmt, init, explain", () => {
  test("fmt replaces the file, keeps its mode, leaves no temporary", async () => {
    const path = put("ugly.sinter", base.replace("width 8", "width    8"));
    chmodSync(join(folder, path), 0o640);
    expect(await run("fmt", "--check", path)).toMatchObject({
      code: 1,
      out: "ugly.sinter is not in its canonical layout\n",
    });
    expect(await run("fmt", path)).toMatchObject({ code: 0, out: "formatted ugly.sinter\n" });
    expect(take(path)).toBe(format(base).text);
    expect(statSync(join(folder, path)).mode & 0o777).toBe(0o640);
    expect(await run("fmt", "--check", path)).toMatchObject({ code: 0, out: "" });
    expect(readdirSync(folder).filter((f) => f.endsWith(".tmp"))).toEqual([]);
  });
  test("fmt leaves a broken spec alone", async () => {
    const path = put("broken.sinter", "model m { width = 3");
    expect(await run("fmt", path)).toMatchObject({ code: 1, err: expect.stringContaining("E0103") });
    expect(take(path)).toBe("model m { width = 3");
  });
  test("init writes a spec that checks, and never overwrites", async () => {
    expect(await run("init", "my model!")).toMatchObject({ code: 0 });
    expect(await run("check", "my model!.sinter")).toMatchObject({ code: 0, err: "" });
    const before = take("my model!.sinter");
    expect(await run("init", "my model!")).toMatchObject({
      code: 1,
      err: expect.stringContaining("nothing was overwritten"),
    });
    expect(take("my model!.sinter")).toBe(before);
    expect(await run("init", "no/such/folder/x")).toMatchObject({
      code: 1,
      err: expect.stringContaining("there is no such folder"),
    });
  });
  test("explain", async () => {
    expect((await run("explain", "e0203")).out).toMatch(/^E0203: /);
    expect((await run("explain", "214")).out).toMatch(/^W0214: /);
    expect((await run("explain")).out).toContain("E0401  ");
    expect(await run("explain", "E0999")).toMatchObject({ code: 2 });
  });
  test("explain --picture: a page without scripts that draws every entry", async () => {
    const path = put("drawn.sinter", base);
    expect(await run("explain", path, "--picture", "drawn.html")).toMatchObject({
      code: 0,
      out: "wrote drawn.html\n",
    });
    const page = take("drawn.html");
    for (const entry of ["train", "evaluate", "prefill", "decode", "generate"])
      expect(page).toContain(`aria-label="Kernels of ${entry}"`);
    expect(page).not.toContain("<script");
  });
});

describe("types", () => {
  test("a declaration file beside each spec, written where it changes", async () => {
    const path = put("typed.sinter", base);
    expect(await run("types", path)).toMatchObject({ code: 0, out: "wrote typed.d.sinter.ts\n" });
    expect(take("typed.d.sinter.ts")).toContain('  readonly name: "base";\n');
    const before = statSync(join(folder, "typed.d.sinter.ts")).mtimeMs;
    expect(await run("types", path)).toMatchObject({ code: 0, out: "unchanged typed.d.sinter.ts\n" });
    expect(statSync(join(folder, "typed.d.sinter.ts")).mtimeMs).toBe(before);
    const { out } = await run("types", path, "--model", "base", "--train");
    expect(out).toBe("wrote typed.sinter-base-train.d.ts\n");
    expect(take("typed.sinter-base-train.d.ts")).toContain('| "train"');
  });
  test("not of a spec with errors, nor of standard input", async () => {
    const wrong = put("mistyped.sinter", base.replace("width", "wodth"));
    expect(await run("types", wrong)).toMatchObject({ code: 1, out: "" });
    expect(existsSync(join(folder, "mistyped.d.sinter.ts"))).toBe(false);
    expect(await run("types", "-")).toMatchObject({ code: 2 });
  });
});

describe("the launcher", () => {
  const oldNode = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => existsSync(path));
  const launcher = join(root, "sinter.js");
  test.each([process.execPath, ...(oldNode ? [oldNode] : [])])(
    "%s: output, exit code, standard input",
    async (node) => {
      const result = await new Promise<{ code: unknown; out: string; err: string }>((done) => {
        const child = execFile(node, [launcher, "fmt", "-"], (error, out, err) =>
          done({ code: error?.code ?? 0, out, err }),
        );
        child.stdin!.end("model a{width 5}");
      });
      expect(result).toEqual({ code: 0, out: "model a { width 5 }\n", err: "" });
      const failed = await new Promise<unknown>((done) =>
        execFile(node, [launcher, "nothing"], (error) => done(error?.code)),
      );
      expect(failed).toBe(2);
    },
  );
  test.each(["SIGTERM", "SIGKILL"] as const)("%s ends the Node that took over, too", async (signal) => {
    if (!oldNode) return; // one process: nothing to pass on
    // waits for its input
    const child = spawn(oldNode, [launcher, "fmt", "-"], { stdio: ["pipe", "ignore", "ignore"] });
    const pid = child.pid!;
    const children = (): number[] =>
      readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
    const until = async (what: () => boolean): Promise<void> => {
      for (let i = 0; i < 12_000 && !what(); i++) await new Promise((later) => setTimeout(later, 50));
    };
    await until(() => children().length > 0);
    const [inner] = children();
    await new Promise((later) => setTimeout(later, 1000));
    child.kill(signal);
    await new Promise((done) => child.on("exit", done));
    const alive = (): boolean =>
      existsSync(`/proc/${inner}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${inner}/status`, "utf8"));
    child.stdin.destroy();
    await until(() => !alive());
    expect(alive()).toBe(false);
  });
});
