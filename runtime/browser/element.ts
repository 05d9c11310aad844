/**
 * A model as an element of a page, for pages without a program of their own:
 *
 *   <script type="module" src="sinter/browser/element.js"></script>
 *   <sinter-model src="gpt2/" weights="gpt2-q8_0.gguf" prompt="Once upon a time"></sinter-model>
 *
 * `src` is a bundle's address, `weights` that of a GGUF file, of safetensors or of a checkpoint; `tokenizer`,
 * `tokens`, `temperature`, `seed`, `workers` and `target` may stand beside them. Nothing is loaded before the
 * first text is asked for. The element takes the page's font and colours; `::part(prompt)`,
 * `::part(button)`, `::part(text)` and `::part(status)` can be styled, and its words are the attributes
 * `label-prompt`, `label-write` and `label-stop`. When it leaves the page, its threads end and the memory is
 * given back.
 */
import type { Target } from "../contract/targets.ts";
import type { LinkedBundle } from "../engine/linked-bundle.ts";
import type { PageGenerateOptions } from "./messages.ts";
import { openModel, type PageModel } from "./page-model.ts";

const STYLE = `
  :host { display: block; }
  form { display: flex; flex-wrap: wrap; gap: 0.5rem; }
  input, button { font: inherit; color: inherit; background: transparent; padding: 0.3rem 0.7rem;
    border: 1px solid; border-radius: 0.4rem; }
  input { flex: 1 1 12rem; min-width: 0; }
  output { display: block; min-height: 4lh; margin: 0.75rem 0; white-space: pre-wrap;
    overflow-wrap: anywhere; }
  small { display: block; min-height: 1lh; }`;

/** Attributes that are numbers, and options of the same names. */
const numbers = ["tokens", "temperature", "seed"] as const satisfies readonly (keyof PageGenerateOptions)[];

const made = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  part?: string,
): HTMLElementTagNameMap[Tag] => {
  const element = document.createElement(tag);
  if (part !== undefined) element.setAttribute("part", part);
  return element;
};

/** The browser makes elements of classes alone. */
export class SinterModelElement extends HTMLElement {
  /** An imported bundle, in place of `src`. */
  bundle: LinkedBundle | undefined;
  readonly #prompt = made("input", "prompt");
  readonly #button = made("button", "button");
  readonly #text = made("output", "text");
  readonly #status = made("small", "status");
  #model: Promise<PageModel> | undefined;
  /** The text that is being written. */
  #writing: AbortController | undefined;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const style = new CSSStyleSheet(); // a page's policy may forbid style elements
    style.replaceSync(STYLE);
    root.adoptedStyleSheets = [style];
    const form = made("form");
    form.append(this.#prompt, this.#button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#writing) this.stop();
      else this.write().catch(() => {}); // the status says it
    });
    root.append(form, this.#text, this.#status);
  }

  connectedCallback(): void {
    this.#prompt.value = this.getAttribute("prompt") ?? "";
    this.#prompt.ariaLabel = this.getAttribute("label-prompt") ?? "Beginning of the text";
    this.#status.role = "status";
    this.#showButton();
  }

  disconnectedCallback(): void {
    this.stop();
    const closing = this.#model;
    this.#model = undefined;
    closing?.then((model) => model.close()).catch(() => {});
  }

  /**
   * Writes what follows a prompt, by default the one in the field; resolves with the new text. Rejects with a
   * SinterError, which the status shows, too.
   */
  async write(prompt: string = this.#prompt.value): Promise<string> {
    this.stop();
    const { signal } = (this.#writing = new AbortController());
    this.#showButton();
    this.#text.textContent = prompt;
    try {
      const model = await (this.#model ??= this.#open());
      const stream = model.generate(prompt, { ...this.#options(), signal });
      for await (const piece of stream) if (!signal.aborted) this.#text.append(piece);
      return (await stream.result).text;
    } catch (cause) {
      const { message, hint } = cause as { readonly message: string; readonly hint?: string };
      this.#status.textContent = hint === undefined ? message : `${message}. ${hint}`;
      throw cause;
    } finally {
      if (this.#writing?.signal === signal) this.#writing = undefined;
      this.#showButton();
    }
  }

  /** Ends the text that is being written. */
  stop(): void {
    this.#writing?.abort();
    this.#writing = undefined;
    this.#showButton();
  }

  async #open(): Promise<PageModel> {
    const workers = this.getAttribute("workers");
    try {
      const model = await openModel(
        {
          bundle: this.bundle ?? this.#address("src"),
          weights: this.#address("weights"),
          tokenizer: this.getAttribute("tokenizer") ?? undefined,
          workers: workers === null ? undefined : Number(workers),
          target: (this.getAttribute("target") ?? undefined) as Target | undefined,
        },
        { onProgress: (part) => (this.#status.textContent = `${Math.round(100 * part)} %`) },
      );
      this.#status.textContent = `${model.name}, ${model.parameters.toLocaleString()} parameters`;
      return model;
    } catch (cause) {
      this.#model = undefined; // the next text tries again
      throw cause;
    }
  }

  #address(name: string): string {
    const value = this.getAttribute(name);
    if (value !== null) return value;
    throw new Error(`<sinter-model> has no attribute ${name}`);
  }

  #options(): PageGenerateOptions {
    const said = numbers.flatMap((name) => {
      const value = this.getAttribute(name);
      return value === null ? [] : [[name, Number(value)]];
    });
    return Object.fromEntries(said) as PageGenerateOptions;
  }

  #showButton(): void {
    const word = this.#writing ? "stop" : "write";
    this.#button.textContent = this.getAttribute(`label-${word}`) ?? (this.#writing ? "Stop" : "Write");
  }
}

customElements.define("sinter-model", SinterModelElement);
