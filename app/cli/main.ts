/**
 * From the command line to a verb and an exit code. Everything that a person can cause ends in one message
 * and a hint; a stack trace is shown only under SINTER_DEBUG.
 */
import { Command, CommanderError } from "commander";
import { Socket } from "node:net";
import { quoted } from "../../compiler/diagnostics/messages/message.ts";
import { nearest } from "../../compiler/diagnostics/nearest.ts";
import { useKernelCache } from "../../compiler/9-bundle/kernel-cache.ts";
import { COMPILER_VERSION } from "../../compiler/9-bundle/version.ts";
import { exitCodes, exitMeanings, SinterError } from "../../runtime/base/errors.ts";
import { keepFindings } from "../../runtime/node/findings.ts";
import { keepBundles } from "./options/kept-bundle.ts";
import { kernelCacheWhenAsked, kernelFolder } from "./terminal/kernel-folder.ts";
import { flushed, standardOutput } from "./terminal/standard-output.ts";
import type { Io } from "./terminal/io.ts";
import { reflow } from "./terminal/reflow.ts";
import { groups, verbs, type VerbRow } from "./verbs/index.ts";

/** Called by the launcher. */
export async function launch(): Promise<void> {
  watchLifeline();
  watchNpx();
  // when nobody reads standard error, its text is lost, but the work goes on
  process.stderr.on("error", () => undefined);
  const err: Io["err"] = (text) => void (process.stderr.destroyed || process.stderr.write(text));
  const output = standardOutput(process.stdout, err);
  const io: Io = {
    out: output.write,
    err,
    tty: process.stdout.isTTY === true && !process.env["NO_COLOR"],
    get columns() {
      return process.stdout.columns || 100;
    }, // Node follows SIGWINCH; a terminal without a size says 0
    onResize(changed) {
      process.stdout.on("resize", changed);
      return () => void process.stdout.off("resize", changed);
    },
    cwd: process.cwd(),
  };
  const { argv, kernels } = asStarted(process.argv.slice(2), process.env);
  if (kernels !== undefined) {
    const kept = kernelCacheWhenAsked(kernels);
    useKernelCache(kept);
    keepFindings(kept);
    keepBundles(kept);
  }
  const code = await main(argv, io, { debug: Boolean(process.env["SINTER_DEBUG"]) });
  process.exitCode = code;
  const last = await output.settle(code);
  await flushed(process.stderr);
  process.exit(last); // a handle that a verb left open does not keep the process alive
}

/** Before the verb: everything is compiled and measured anew, and nothing is kept. */
const NO_CACHE = "--no-cache";

/** The verb and its arguments, and the folder of what is kept between starts; undefined: nothing is. */
export function asStarted(
  words: readonly string[],
  environment: NodeJS.ProcessEnv,
): { readonly argv: readonly string[]; readonly kernels: string | undefined } {
  return words[0] === NO_CACHE
    ? { argv: words.slice(1), kernels: undefined }
    : { argv: words, kernels: kernelFolder(environment) };
}

/**
 * npx runs this program in a shell, and sends a SIGTERM to the shell alone. So when the shell has gone, the
 * signal was meant for this program.
 */
function watchNpx(): void {
  if (process.env["npm_command"] !== "exec") return;
  const shell = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_LOOK_MS);
  watch.unref();
}

const PARENT_LOOK_MS = 500;

/**
 * Under an older Node, the launcher holds the other end of this pipe. When the launcher is killed, the pipe
 * closes, and this process ends too.
 */
function watchLifeline(): void {
  const descriptor = process.env["SINTER_LIFELINE"];
  delete process.env["SINTER_LIFELINE"];
  if (descriptor === undefined || !/^\d{1,3}$/.test(descriptor) || Number(descriptor) < 3) return;
  try {
    const pipe = new Socket({ fd: Number(descriptor), readable: true, writable: false });
    pipe
      .on("close", () => process.kill(process.pid, "SIGKILL"))
      .on("error", () => undefined)
      .resume();
    pipe.unref();
  } catch {
    // the descriptor is something else: somebody set the variable by hand
  }
}

export async function main(argv: readonly string[], io: Io, { debug = false } = {}): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    if (debug && error instanceof Error) io.err(`${error.stack}\n`);
    if (error instanceof SinterError) {
      io.err(`error: ${error.message}\n${error.hint === undefined ? "" : `help: ${error.hint}\n`}`);
      return exitCodes[error.kind];
    }
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    io.err(
      `error: this is a bug of ours: ${said}\nhelp: please report it with what you ran; SINTER_DEBUG=1 ` +
        "shows where it happened\n",
    );
    return exitCodes.bug;
  }
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const [first, ...rest] = argv;
  if (
    first === undefined ||
    (first === "help" && rest.length === 0) ||
    first === "--help" ||
    first === "-h"
  ) {
    (first === undefined ? io.err : io.out)(reflow(overview(), io.columns));
    return first === undefined ? exitCodes.usage : exitCodes.ok;
  }
  if (first === "--version" || first === "-V") {
    io.out(`${COMPILER_VERSION}\n`);
    return exitCodes.ok;
  }
  if (first === "help" && rest[0] === EXIT_CODES) {
    io.out(exitCodesText());
    return exitCodes.ok;
  }
  const [name, args] = first === "help" ? [rest[0]!, ["--help"]] : [first, rest];
  const row = verbs.find((v) => v.name === name);
  if (!row) {
    const near = nearest(
      name,
      verbs.map((v) => v.name),
    );
    const what = name.startsWith("-") ? "option" : "verb";
    throw new SinterError(
      "usage",
      `there is no ${what} ${quoted(name)}`,
      near ? `did you mean \`sinter ${near}\`?` : "`sinter --help` lists the verbs",
    );
  }
  return runVerb(row, args, io);
}

async function runVerb(row: VerbRow, args: readonly string[], io: Io): Promise<number> {
  const verb = await row.load();
  const command = new Command(row.name)
    .exitOverride()
    .helpOption("-h, --help", "show this help")
    .allowExcessArguments(false);
  verb.configure(command);
  command.description(command.description() || verb.summary).action(() => undefined);
  command.configureOutput({
    writeOut: (text) => io.out(reflow(text, io.columns)),
    writeErr: io.err,
    outputError: () => undefined,
    getOutHelpWidth: () => io.columns,
  });
  command.configureHelp({ commandUsage: (c) => `sinter ${c.name()} ${c.usage()}` });
  try {
    await command.parseAsync([...args], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exitCodes.ok;
    const [message, suggestion] = error.message.replace(/^error: /, "").split("\n");
    const near = suggestion?.replace(/^\(|\)$/g, "").replace(/^D/, "d"); // "(Did you mean --json?)"
    const usage = `usage: sinter ${row.name} ${command.usage()}; \`sinter ${row.name} --help\` shows how`;
    throw new SinterError("usage", message!, near ?? usage);
  }
  return verb.run(command.args, command.opts(), io);
}

const EXIT_CODES = "exit-codes";

/** `sinter help exit-codes`. */
export const exitCodesText = (): string =>
  `${exitMeanings.map(({ code, means }) => `${String(code).padStart(3)}  ${means}`).join("\n")}\n`;

/** `sinter --help`, from the table of verbs. */
export function overview(): string {
  const width = Math.max(...verbs.map((v) => v.name.length));
  const lines = groups.flatMap((group) => {
    const rows = verbs.filter((v) => v.group === group);
    return rows.length === 0
      ? []
      : [`  ${group}`, ...rows.map((v) => `    ${v.name.padEnd(width)}  ${v.summary}`), ""];
  });
  const codes = exitMeanings.map(({ code, short }) => `${code} ${short}`).join(", ");
  return [
    "sinter: compiles transformer specs to WebAssembly, trains and samples them",
    "",
    "usage: sinter VERB [arguments]     sinter VERB --help     sinter --version",
    `       sinter ${NO_CACHE} VERB …      keeps nothing between starts, and uses nothing that was kept`,
    "",
    ...lines,
    "a first run",
    "    sinter init tiny.sinter                a spec to start from",
    "    sinter check tiny.sinter               what it is made of, and what is wrong with it",
    "    sinter train tiny.sinter               into runs/tiny; --data FILE for a text of yours",
    '    sinter sample runs/tiny -p "Once"      a text from it',
    "",
    "A run is a folder with all that a model needs: spec, kernels, tokenizer, weights, log. `train` and " +
      "`import` make one,",
    "`sample`, `chat`, `eval` and `export` take one.",
    "",
    `exit codes: ${codes} (sinter help ${EXIT_CODES})`,
    "",
  ].join("\n");
}
