/** webpack follows `new URL("…", import.meta.url)`: the model's threads and its kernels need no rule. */
import { copyFileSync } from "node:fs";
import webpack from "webpack";

const compiler = webpack({
  mode: "production",
  context: import.meta.dirname,
  entry: "./src/main.js",
  output: { filename: "main.js", path: `${import.meta.dirname}/site` },
});
compiler.run((error, stats) => {
  if (error) throw error;
  console.log(stats.toString({ colors: true }));
  process.exitCode = stats.hasErrors() ? 1 : 0;
  copyFileSync("src/index.html", "site/index.html");
});
