/** The page: a trained model goes on with the beginning of a name. */
import { openModel } from "@sinter/runtime/browser";
import flowers from "./flowers/index.js";

const form = document.querySelector("form")!;
const status = document.querySelector("#status")!;
const names = document.querySelector("#names")!;

addEventListener("unhandledrejection", ({ reason }) => (status.textContent = (reason as Error).message));

const { context } = flowers.manifest.model.sizes; // TypeScript knows that it is 32
const model = await openModel({ bundle: flowers, weights: "run/step-000300.safetensors" });
status.textContent = `${model.parameters.toLocaleString("en-US")} parameters, ${model.target}`;
form.querySelector("button")!.disabled = false;

async function name(beginning: string, seed: number): Promise<void> {
  const written = names.appendChild(document.createElement("li"));
  written.append(beginning);
  const tokens = context - beginning.length - 1;
  for await (const piece of model.generate(`\n${beginning}`, { tokens, seed })) {
    written.append(piece.split("\n", 1)[0]!);
    if (piece.includes("\n")) break; // the name has ended, and the text ends with the loop
  }
}

form.onsubmit = (event) => {
  event.preventDefault();
  const beginning = new FormData(form).get("beginning") as string;
  void name(beginning, names.children.length);
};
