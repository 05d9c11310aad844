/** The page: it starts the trainer, draws what it hears, and begins again when the spec has changed. */
import flowers from "./flowers.sinter?train";
import type { Learnt } from "./trainer.ts";

const element = <E extends Element>(id: string): E => document.querySelector<E>(`#${id}`)!;
const status = element("status");
const curve = element<SVGPolylineElement>("curve");
const names = element("names");
const letters = element<HTMLCanvasElement>("letters");
const MOST_NAMES = 24;

let trainer: Worker | undefined;

function begin(bundle: typeof flowers): void {
  trainer?.terminate(); // and with it the model's memory
  trainer = new Worker(new URL("./trainer.ts", import.meta.url), { type: "module" });
  const { parameters, model } = bundle.manifest;
  const count = parameters.toLocaleString("en-US");
  const start = Math.log(model.sizes.vocab); // the loss of a model that knows nothing
  const losses: number[] = [];
  names.replaceChildren();
  trainer.onmessage = ({ data }: MessageEvent<Learnt>) => {
    losses.push(data.loss);
    status.textContent = `${count} parameters, step ${data.step}, loss ${data.loss.toFixed(2)}`;
    const points = losses.map((loss, i) => `${(100 * i) / losses.length},${30 - (30 * loss) / start}`);
    curve.setAttribute("points", points.join(" "));
    for (const name of data.names)
      names.prepend(Object.assign(document.createElement("li"), { textContent: name }));
    while (names.children.length > MOST_NAMES) names.lastChild!.remove();
    draw(data.letters, model.sizes.width);
  };
  trainer.onerror = ({ message }) => (status.textContent = message);
  trainer.postMessage(bundle);
}

/** A row of pixels for each letter, a column for each number. */
function draw(rows: Float32Array, width: number): void {
  const height = rows.length / width;
  Object.assign(letters, { width, height });
  const pixels = letters.getContext("2d")!.createImageData(width, height);
  for (const [i, value] of rows.entries()) {
    const strength = Math.min(255, 1000 * Math.abs(value));
    pixels.data.set(value > 0 ? [163, 72, 34, strength] : [34, 105, 163, strength], 4 * i);
  }
  letters.getContext("2d")!.putImageData(pixels, 0, 0);
}

begin(flowers);
import.meta.hot?.accept("./flowers.sinter?train", (changed) => {
  if (changed) begin(changed["default"] as typeof flowers);
});
