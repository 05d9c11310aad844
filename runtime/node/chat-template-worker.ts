/**
 * The thread of chat-template.ts. It runs @huggingface/jinja on one template, with a bound on everything that
 * a template can make grow.
 */
import * as jinja from "@huggingface/jinja";
import type { ChatMessage, Tool } from "../tokenizers/chat/chat.ts";
import { serveBounded } from "./serve-bounded.ts";
import { strftime } from "./strftime.ts";

export interface TemplateQuestion {
  readonly template: string;
  readonly messages: readonly ChatMessage[];
  readonly reply: boolean;
  readonly beginOfText: string;
  readonly endOfText: string;
  readonly tools: readonly Tool[] | undefined;
  readonly limits: TemplateLimits;
}

export interface TemplateLimits {
  /** How many characters a template may write, or hold in one value. */
  readonly characters: number;
  /** How many entries a list or a mapping may have, and how many numbers a range. */
  readonly entries: number;
  /** How many expressions and statements may be evaluated. */
  readonly steps: number;
}

/** `refused`: the template itself says why it does not take the messages. */
export type TemplateAnswer = { readonly text: string } | { readonly refused: string };

/** What we use of the package, whose own types do not resolve under this module system. */
interface Value {
  value: unknown;
}
interface Scope {
  set(name: string, value: unknown): unknown;
}
interface Jinja {
  readonly Environment: new () => Scope;
  readonly Interpreter: new (env: Scope) => {
    run(program: object): Value;
    evaluate(statement: unknown, env: Scope): Value;
    evaluateBlock(statements: readonly unknown[], env: Scope): Value;
    evaluateFor(loop: Loop, env: Scope): Value;
  };
  parse(tokens: object): object;
  tokenize(
    template: string,
    options: { readonly lstrip_blocks: boolean; readonly trim_blocks: boolean },
  ): object;
}
const { Environment, Interpreter, parse, tokenize } = jinja as unknown as Jinja;

/** {% for … %} body {% else %} defaultBlock {% endfor %} */
interface Loop {
  readonly body: readonly unknown[];
  readonly defaultBlock: readonly unknown[];
}
/** A loop while it runs. */
interface RunningLoop {
  readonly loop: Loop;
  /** What an iteration had written when `break` or `continue` left it; not yet part of the loop's text. */
  left: string;
}
const typeOf = (statement: unknown): unknown => (statement as { readonly type?: unknown } | undefined)?.type;
/**
 * Statements whose text becomes a value: what an interrupted loop in them has written is lost with the value.
 */
const captures: readonly unknown[] = ["Set", "FilterStatement", "CallStatement"];

class Refusal extends Error {}

class BoundedInterpreter extends Interpreter {
  readonly #limits: TemplateLimits;
  #steps = 0;
  readonly #loops: RunningLoop[] = [];
  /** What an iteration had written before each `break` or `continue` that is on its way out. */
  readonly #leaving = new WeakMap<object, string>();

  constructor(env: Scope, limits: TemplateLimits) {
    super(env);
    this.#limits = limits;
  }

  override evaluate(statement: unknown, env: Scope): Value {
    const { characters, entries, steps } = this.#limits;
    if (++this.#steps > steps) throw new Error(`it takes more than ${steps} steps`);
    const made = this.#evaluated(statement, env);
    const { value } = made;
    if (typeof value === "string" && value.length > characters)
      throw new Error(`it makes a text of more than ${characters} characters`);
    const size = Array.isArray(value) ? value.length : value instanceof Map ? value.size : 0;
    if (size > entries) throw new Error(`it makes a list of more than ${entries} entries`);
    return made;
  }

  #evaluated(statement: unknown, env: Scope): Value {
    const type = typeOf(statement);
    try {
      return super.evaluate(statement, env);
    } catch (cause) {
      const begins = type === "Break" || type === "Continue";
      const isCaptured = captures.includes(type) && this.#leaving.has(cause as object);
      if (begins || isCaptured) this.#leaving.set(cause as object, "");
      throw cause;
    }
  }

  /**
   * As in the package, except that what was written before a `break` or `continue` is not lost: Jinja's
   * loopcontrols keep it.
   */
  override evaluateBlock(statements: readonly unknown[], env: Scope): Value {
    const made = super.evaluateBlock([], env);
    const top = this.#loops.at(-1);
    const body = top && statements === top.loop.body ? top : undefined;
    let text = "";
    // Jinja, too, runs `else` where no iteration came to its end
    if (top && (body || statements === top.loop.defaultBlock)) {
      text = top.left;
      top.left = "";
    }
    for (const statement of statements) {
      try {
        text += this.#text(statement, env);
      } catch (cause) {
        const written = this.#leaving.get(cause as object);
        if (written === undefined) throw cause;
        if (body) body.left = text + written;
        else this.#leaving.set(cause as object, text + written);
        throw cause;
      }
      const { characters } = this.#limits;
      if (text.length > characters) throw new Error(`it makes a text of more than ${characters} characters`);
    }
    made.value = text;
    return made;
  }

  #text(statement: unknown, env: Scope): string {
    const made = this.evaluate(statement, env);
    const type = typeOf(made);
    return type === "NullValue" || type === "UndefinedValue" ? "" : String(made);
  }

  override evaluateFor(loop: Loop, env: Scope): Value {
    const running: RunningLoop = { loop, left: "" };
    this.#loops.push(running);
    try {
      const made = super.evaluateFor(loop, env);
      made.value = `${made.value as string}${running.left}`;
      return made;
    } finally {
      this.#loops.pop();
    }
  }
}

function render({
  template,
  messages,
  reply,
  beginOfText,
  endOfText,
  tools,
  limits,
}: TemplateQuestion): TemplateAnswer {
  const env = new Environment();
  const globals = {
    true: true,
    false: false,
    none: null,
    True: true,
    False: false,
    None: null,
    raise_exception: (why: unknown) => {
      throw new Refusal(String(why));
    },
    range: (...numbers: unknown[]) => boundedRange(numbers, limits.entries),
    strftime_now: (format: unknown) => strftime(new Date(), String(format)),
    messages: messages.map(({ role, content, toolCalls, toolCallId }) => ({
      role,
      content,
      ...(toolCalls && { tool_calls: toolCalls }),
      ...(toolCallId !== undefined && { tool_call_id: toolCallId }),
    })),
    add_generation_prompt: reply,
    bos_token: beginOfText,
    eos_token: endOfText,
    tools: tools ?? null,
  };
  for (const [name, value] of Object.entries(globals)) env.set(name, value);
  try {
    const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    return { text: String(new BoundedInterpreter(env, limits).run(program).value) };
  } catch (cause) {
    if (cause instanceof Refusal) return { refused: cause.message };
    throw new Error(`chat template: ${(cause as Error).message}`);
  }
}

/** Python's range(stop), range(start, stop), range(start, stop, step). Throws when it would be too long. */
function boundedRange(numbers: readonly unknown[], most: number): number[] {
  const whole = numbers.filter((n) => typeof n === "number").map(Math.trunc);
  const [start, stop, step] =
    whole.length === 1 ? [0, whole[0]!, 1] : [whole[0] ?? 0, whole[1] ?? 0, whole[2] ?? 1];
  if (step === 0) throw new Error("range() with a step of 0");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= most)) throw new Error(`range() of ${length} numbers; at most ${most} are possible`);
  return Array.from({ length }, (_, i) => start + i * step);
}

serveBounded<TemplateQuestion, TemplateAnswer>(render);
