#!/usr/bin/env node
// The launcher. An installed package runs the JavaScript in dist/. A checkout has no need of a build: Node
// strips the types of the TypeScript itself, which it does from 22.18 on; where this Node is older, the one
// of `npm install` (development dependency "node") takes over. Exit code and signals pass through, and so do
// descriptors that are named as /dev/fd/N: what a shell makes of <(command).
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import nodeModule from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const source = new URL("./app/cli/main.ts", import.meta.url);
const built = new URL("./dist/app/cli/main.js", import.meta.url);
const inCheckout = existsSync(source);
const needed = inCheckout ? "22.18" : "22.12";

if (isAtLeast(needed)) {
  // compiled once (and in a checkout stripped once): starts three times as fast
  if (inCheckout) nodeModule.enableCompileCache(fileURLToPath(new URL("./.cache/node", import.meta.url)));
  else nodeModule.enableCompileCache();
  const kept = nodeModule.getCompileCacheDir();
  if (kept !== undefined) process.env.NODE_COMPILE_CACHE ??= dirname(kept); // for threads, which look there
  const { launch } = await import((inCheckout ? source : built).href);
  await launch();
} else {
  const node = [
    "./node_modules/.bin/node",
    "./node_modules/node/bin/node",
    "./node_modules/node/bin/node.exe",
  ]
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => inCheckout && existsSync(path));
  if (node) takeOver(node);
  else {
    const here = fileURLToPath(new URL(".", import.meta.url));
    const help = inCheckout
      ? `run \`npm install\` in ${here}: it brings a newer Node with it`
      : "install a newer Node from https://nodejs.org, or with the version manager that you use";
    console.error(
      `error: sinter needs Node ${needed} or later, and this is ${process.versions.node}\nhelp: ${help}`,
    );
    process.exitCode = 2;
  }
}

/** Is this Node "22.18" or later? */
function isAtLeast(version) {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const [needMajor, needMinor] = version.split(".").map(Number);
  return major > needMajor || (major === needMajor && minor >= needMinor);
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
