/**
 * THE grammar. Line ends mean nothing, with one exception: a setting's value begins on the line of its key,
 * so that a forgotten value is noticed where it was forgotten.
 */
import { CstParser, EOF, tokenLabel } from "chevrotain";
import type {
  CstNode,
  IParserErrorMessageProvider,
  IRecognitionException,
  ISerializedGast,
  IToken,
  TokenType,
} from "chevrotain";
import * as t from "./tokens.ts";

/**
 * The parser recovers from a mistake inside a repetition by recursion, so that a file full of mistakes would
 * exhaust the stack. After this many it gives up.
 */
export const MAX_SYNTAX_ERRORS = 100;
class TooManyErrors extends Error {}

/**
 * Chevrotain asks for a message once per mistake, so this is the place where mistakes can be counted. A
 * message says only what was expected; syntax-errors.ts makes a sentence of it.
 */
class CountedMessages implements IParserErrorMessageProvider {
  private mistakes = 0;

  /** Begins the count for another text. */
  restart(): void {
    this.mistakes = 0;
  }

  buildMismatchTokenMessage({ expected }: { readonly expected: TokenType }): string {
    return this.counted(tokenLabel(expected));
  }
  buildNotAllInputParsedMessage(): string {
    return this.counted("");
  }
  buildNoViableAltMessage(): string {
    return this.counted("");
  }
  buildEarlyExitMessage(): string {
    return this.counted("");
  }

  private counted(message: string): string {
    if (++this.mistakes > MAX_SYNTAX_ERRORS) throw new TooManyErrors();
    return message;
  }
}

const assigns: ReadonlySet<TokenType> = new Set([t.Equals, t.PlusEquals]);

class SpecParser extends CstParser {
  private readonly messages: CountedMessages;

  constructor(messages: CountedMessages) {
    super(t.tokens, {
      nodeLocationTracking: "full",
      recoveryEnabled: true,
      maxLookahead: 2,
      errorMessageProvider: messages,
    });
    this.messages = messages;
    this.performSelfAnalysis();
  }

  /** Begins with other tokens, as if nothing had been parsed before. */
  restart(tokens: IToken[]): void {
    this.messages.restart();
    this.input = tokens; // setting it resets the parser
  }

  /** file = ( model | plan | hardware )* */
  readonly file = this.RULE("file", () => {
    this.MANY(() => {
      this.OR([
        { ALT: () => this.SUBRULE(this.model) },
        { ALT: () => this.SUBRULE(this.plan) },
        { ALT: () => this.SUBRULE(this.hardware) },
      ]);
    });
  });

  /** model = "model" model-name ( "like" model-name )? "{" item* "}" */
  readonly model = this.RULE("model", () => {
    this.CONSUME(t.Model);
    this.CONSUME(t.ModelName, { LABEL: "name" });
    this.OPTION(() => {
      this.CONSUME(t.Like);
      this.CONSUME1(t.ModelName, { LABEL: "like" });
    });
    this.CONSUME(t.OpenBrace);
    this.MANY(() => this.SUBRULE(this.item));
    this.CONSUME(t.CloseBrace);
  });

  /**
   * plan = "plan" plan-name ( "of" model-name "on" device-name | "like" plan-name ( "of" model-name )?
   *        ( "on" device-name )? ) "{" ( setting | expect )* "}"
   */
  readonly plan = this.RULE("plan", () => {
    this.CONSUME(t.Plan);
    this.CONSUME(t.ModelName, { LABEL: "name" });
    this.OR([
      {
        ALT: () => {
          this.CONSUME(t.Like);
          this.CONSUME3(t.ModelName, { LABEL: "like" });
          this.OPTION(() => {
            this.CONSUME1(t.Of);
            this.CONSUME4(t.ModelName, { LABEL: "model" });
          });
          this.OPTION1(() => {
            this.CONSUME1(t.On);
            this.CONSUME5(t.ModelName, { LABEL: "hardware" });
          });
        },
      },
      {
        ALT: () => {
          this.CONSUME(t.Of);
          this.CONSUME1(t.ModelName, { LABEL: "model" });
          this.CONSUME(t.On);
          this.CONSUME2(t.ModelName, { LABEL: "hardware" });
        },
      },
    ]);
    this.CONSUME(t.OpenBrace);
    this.MANY(() => {
      this.OR1([{ ALT: () => this.SUBRULE(this.setting) }, { ALT: () => this.SUBRULE(this.expect) }]);
    });
    this.CONSUME(t.CloseBrace);
  });

  /** hardware = "hardware" device-name ( "like" device-name )? "{" setting* "}" */
  readonly hardware = this.RULE("hardware", () => {
    this.CONSUME(t.Hardware);
    this.CONSUME(t.ModelName, { LABEL: "name" });
    this.OPTION(() => {
      this.CONSUME(t.Like);
      this.CONSUME1(t.ModelName, { LABEL: "like" });
    });
    this.CONSUME(t.OpenBrace);
    this.MANY(() => this.SUBRULE(this.setting));
    this.CONSUME(t.CloseBrace);
  });

  /**
   * item = stage | objective | head | setting | let | embed | layer | output | tokenizer | section |
   *        expect
   */
  readonly item = this.RULE("item", () => {
    this.OR([
      { GATE: () => this.LA(2).tokenType === t.OpenBrace, ALT: () => this.SUBRULE(this.stage) },
      { GATE: () => this.LA(3).tokenType === t.Equals, ALT: () => this.SUBRULE(this.objective) },
      { GATE: () => this.isHead(), ALT: () => this.SUBRULE(this.head) },
      { ALT: () => this.SUBRULE(this.setting) },
      { ALT: () => this.SUBRULE(this.let) },
      { ALT: () => this.SUBRULE(this.embed) },
      { ALT: () => this.SUBRULE(this.layer) },
      { ALT: () => this.SUBRULE(this.output) },
      { ALT: () => this.SUBRULE(this.tokenizer) },
      { ALT: () => this.SUBRULE(this.section) },
      { ALT: () => this.SUBRULE(this.expect) },
    ]);
  });

  /**
   * setting = name value ( "," name )* ( "alternate" name ( "," name )* )?
   *
   * Name and value stand on one line. Only behind `on` there may be several words.
   */
  readonly setting = this.RULE("setting", () => {
    const key = this.CONSUME(t.Name, { LABEL: "key" });
    this.OPTION({ GATE: () => this.LA(1).startLine === key.startLine, DEF: () => this.SUBRULE(this.value) });
    this.MANY1({
      GATE: () => key.image === "on",
      DEF: () => {
        this.CONSUME1(t.Comma);
        this.CONSUME3(t.Name, { LABEL: "more" });
      },
    });
    this.OPTION1(() => {
      this.CONSUME(t.Alternate);
      this.CONSUME1(t.Name, { LABEL: "kind" });
      this.MANY(() => {
        this.CONSUME(t.Comma);
        this.CONSUME2(t.Name, { LABEL: "kind" });
      });
    });
  });

  /** let = "let" name "=" value */
  readonly let = this.RULE("let", () => {
    this.CONSUME(t.Let);
    this.CONSUME(t.Name, { LABEL: "name" });
    this.CONSUME(t.Equals);
    this.SUBRULE(this.value);
  });

  /** embed = "embed" value */
  readonly embed = this.RULE("embed", () => {
    this.CONSUME(t.Embed);
    this.SUBRULE(this.value);
  });

  /** layer = "layer" "{" assignment* "}" */
  readonly layer = this.RULE("layer", () => {
    this.CONSUME(t.Layer);
    this.CONSUME(t.OpenBrace);
    this.MANY(() => this.SUBRULE(this.assignment));
    this.CONSUME(t.CloseBrace);
  });

  /** assignment = name ( "=" | "+=" ) value */
  readonly assignment = this.RULE("assignment", () => {
    this.CONSUME(t.Name, { LABEL: "target" });
    this.OR([
      { ALT: () => this.CONSUME(t.Equals, { LABEL: "sign" }) },
      { ALT: () => this.CONSUME(t.PlusEquals, { LABEL: "sign" }) },
    ]);
    this.SUBRULE(this.value);
  });

  /** output = "output" value */
  readonly output = this.RULE("output", () => {
    this.CONSUME(t.Output);
    this.SUBRULE(this.value);
  });

  /** tokenizer = "tokenizer" name */
  readonly tokenizer = this.RULE("tokenizer", () => {
    this.CONSUME(t.Tokenizer);
    this.CONSUME(t.Name, { LABEL: "name" });
  });

  /** section = ( "train" | "sample" ) "{" setting* "}" */
  readonly section = this.RULE("section", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.Train, { LABEL: "section" }) },
      { ALT: () => this.CONSUME(t.Sample, { LABEL: "section" }) },
    ]);
    this.CONSUME(t.OpenBrace);
    this.MANY(() => this.SUBRULE(this.setting));
    this.CONSUME(t.CloseBrace);
  });

  /** stage = ( "sft" | "prefer" | "reward" | "rl" ) "{" ( lora | setting )* "}" */
  readonly stage = this.RULE("stage", () => {
    this.OR([
      { ALT: () => this.CONSUME(t.Sft, { LABEL: "stage" }) },
      { ALT: () => this.CONSUME(t.Prefer, { LABEL: "stage" }) },
      { ALT: () => this.CONSUME(t.Reward, { LABEL: "stage" }) },
      { ALT: () => this.CONSUME(t.Rl, { LABEL: "stage" }) },
    ]);
    this.CONSUME(t.OpenBrace);
    this.MANY(() => {
      this.OR1([
        { GATE: () => this.LA(2).tokenType === t.OpenBrace, ALT: () => this.SUBRULE(this.lora) },
        { ALT: () => this.SUBRULE(this.setting) },
      ]);
    });
    this.CONSUME(t.CloseBrace);
  });

  /** lora = "lora" "{" setting* "}" */
  readonly lora = this.RULE("lora", () => {
    this.CONSUME(t.Lora);
    this.CONSUME(t.OpenBrace);
    this.MANY(() => this.SUBRULE(this.setting));
    this.CONSUME(t.CloseBrace);
  });

  /** objective = "objective" name "=" value */
  readonly objective = this.RULE("objective", () => {
    this.CONSUME(t.Objective);
    this.CONSUME(t.Name, { LABEL: "name" });
    this.CONSUME(t.Equals);
    this.SUBRULE(this.value);
  });

  /** head = "head" name call */
  readonly head = this.RULE("head", () => {
    this.CONSUME(t.Head);
    this.CONSUME(t.Name, { LABEL: "name" });
    this.SUBRULE(this.call);
  });

  /** `head value linear(…)`: the word is followed by a name and a call; a setting has one value. */
  private isHead(): boolean {
    return (
      t.isName(this.LA(2).tokenType) && t.isName(this.LA(3).tokenType) && this.LA(4).tokenType === t.OpenParen
    );
  }

  /** expect = "expect" name value ( "±" number "%" )? */
  readonly expect = this.RULE("expect", () => {
    this.CONSUME(t.Expect);
    this.CONSUME(t.Name, { LABEL: "fact" });
    this.SUBRULE(this.value);
    this.OPTION(() => {
      this.CONSUME(t.PlusMinus);
      this.CONSUME(t.Number, { LABEL: "tolerance" });
      this.CONSUME(t.Remainder);
    });
  });

  /** value = product ( ( "+" | "-" ) product )* */
  readonly value = this.RULE("value", () => {
    this.SUBRULE(this.product, { LABEL: "operand" });
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(t.Plus, { LABEL: "sign" }) },
        { ALT: () => this.CONSUME(t.Minus, { LABEL: "sign" }) },
      ]);
      this.SUBRULE1(this.product, { LABEL: "operand" });
    });
  });

  /** product = factor ( ( "*" | "/" | "%" ) factor )* */
  readonly product = this.RULE("product", () => {
    this.SUBRULE(this.factor, { LABEL: "operand" });
    this.MANY(() => {
      this.OR([
        { ALT: () => this.CONSUME(t.Times, { LABEL: "sign" }) },
        { ALT: () => this.CONSUME(t.Divide, { LABEL: "sign" }) },
        { ALT: () => this.CONSUME(t.Remainder, { LABEL: "sign" }) },
      ]);
      this.SUBRULE1(this.factor, { LABEL: "operand" });
    });
  });

  /** factor = "-"* ( number | "true" | "false" | call | member | "(" value ")" ) */
  readonly factor = this.RULE("factor", () => {
    this.MANY(() => this.CONSUME(t.Minus));
    this.OR([
      { ALT: () => this.CONSUME(t.Number, { LABEL: "number" }) },
      { ALT: () => this.CONSUME(t.BadNumber, { LABEL: "number" }) },
      { ALT: () => this.CONSUME(t.True, { LABEL: "flag" }) },
      { ALT: () => this.CONSUME(t.False, { LABEL: "flag" }) },
      { ALT: () => this.SUBRULE(this.call) },
      // "x +=" and then "h = …" on the next line: the value is missing, it is not "h"
      { GATE: () => !assigns.has(this.LA(2).tokenType), ALT: () => this.SUBRULE(this.member) },
      { ALT: () => this.SUBRULE(this.group) },
    ]);
  });

  /** member = name ( "." name )? */
  readonly member = this.RULE("member", () => {
    this.CONSUME(t.Name, { LABEL: "word" });
    this.OPTION(() => {
      this.CONSUME(t.Dot);
      this.CONSUME1(t.Name, { LABEL: "field" });
    });
  });

  /** group = "(" value ")" */
  readonly group = this.RULE("group", () => {
    this.CONSUME(t.OpenParen);
    this.SUBRULE(this.value);
    this.CONSUME(t.CloseParen);
  });

  /** call = name "(" ( argument ( "," argument )* )? ")" */
  readonly call = this.RULE("call", () => {
    this.CONSUME(t.Name, { LABEL: "callee" });
    this.CONSUME(t.OpenParen);
    this.MANY_SEP({ SEP: t.Comma, DEF: () => this.SUBRULE(this.argument) });
    this.CONSUME(t.CloseParen);
  });

  /** argument = ( name ":" )? value */
  readonly argument = this.RULE("argument", () => {
    this.OPTION(() => {
      this.CONSUME(t.Name, { LABEL: "name" });
      this.CONSUME(t.Colon);
    });
    this.SUBRULE(this.value);
  });

  /** override = value, and nothing after it: what follows "=" in `--set width=256`. */
  readonly override = this.RULE("override", () => {
    this.SUBRULE(this.value);
    this.CONSUME(EOF as TokenType);
  });
}

const parser = new SpecParser(new CountedMessages()); // one for all texts: building it takes milliseconds

/** The rules as data, for the language reference. */
export const grammarRules = (): ISerializedGast[] => parser.getSerializedGastProductions();

export interface Tree {
  /** Undefined when the parser gave up after too many mistakes. */
  readonly tree: CstNode | undefined;
  readonly errors: readonly IRecognitionException[];
}

export function parseTokens(tokens: IToken[], start: "file" | "override"): Tree {
  parser.restart(tokens);
  try {
    const tree = parser[start]();
    return { tree, errors: parser.errors };
  } catch (error) {
    if (error instanceof TooManyErrors) return { tree: undefined, errors: parser.errors };
    throw error;
  }
}
