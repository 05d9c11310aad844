#!/usr/bin/env node
// The launcher. Sinter is TypeScript that Node runs by stripping its types, which needs Node 22.18 or later.
// Where this one is older, the Node of `npm install` (development dependency "node") takes over; exit code
// and signals pass through, and so do descriptors that are named as /dev/fd/N: what a shell makes of
// <(command).
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import nodeModule from "node:module";
import { fileURLToPath } from "node:url";

const main = new URL("./app/cli/main.ts", import.meta.url);
const [major, minor] = process.versions.node.split(".").map(Number);

if (major > 22 || (major === 22 && minor >= 18)) {
  // stripped and compiled once: starts three times as fast
  nodeModule.enableCompileCache(fileURLToPath(new URL("./.cache/node", import.meta.url)));
  const { launch } = await import(main.href);
  await launch();
} else {
  const node = [
    "./node_modules/.bin/node",
    "./node_modules/node/bin/node",
    "./node_modules/node/bin/node.exe",
  ]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path));
  if (node) takeOver(node);
  else {
    console.error(
      `error: sinter needs Node 22.18 or later, and this is ${process.versions.node}\nhelp: run \`npm ` +
        `install\` in ${fileURLToPath(new URL(".", import.meta.url))}: it brings a newer Node with it`,
    );
    process.exitCode = 2;
  }
}

/**
 * Runs the newer Node in our place. One of its descriptors is a pipe from us: it closes when we die, even by
 * SIGKILL, and the child goes with us.
 */
function takeOver(node) {
  const stdio = ["inherit", "inherit", "inherit"];
  for (const argument of process.argv.slice(2)) {
    const [, descriptor] = /(?:^|=)\/(?:dev|proc\/self)\/fd\/(\d{1,3})$/.exec(argument) ?? [];
    if (Number(descriptor) > 2 && existsSync(`/dev/fd/${descriptor}`)) stdio[descriptor] = Number(descriptor);
  }
  let lifeline = 3;
  while (stdio[lifeline] !== undefined) lifeline++;
  stdio[lifeline] = "pipe";
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: Array.from(stdio, (one) => one ?? "ignore"),
    env: { ...process.env, SINTER_LIFELINE: `${lifeline}` },
  });
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"])
    process.on(signal, () => child.kill(signal));
  // Ctrl-C on a terminal reaches the child by itself; a second one would mean "at once"
  process.on("SIGINT", () => {
    if (!onTerminal) child.kill("SIGINT");
  });
  child.on("error", (error) => {
    console.error(`error: cannot run ${node}: ${error.message}`);
    process.exit(2);
  });
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code ?? 70);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
