/** Parses a template. Complaints are worded as Go's, since scripts and habits depend on them. */
import { FUNCTIONS } from "./functions.ts";
import { lex, lineOf, TemplateError, type Token, type TokenKind } from "./lex.ts";
import type { Command, Node, Operand, Pipe, Template } from "./nodes.ts";
import { goQuote, unquote } from "./quote.ts";
import { Float } from "./values.ts";

/** What is written as a float is one. */
function constant(text: string): number | Float {
  const value = Number(text.replace(/_/g, "").replace(/^\+/, ""));
  const isFloat = /[.eE]/.test(text) && !/^[+-]?0[xX]/.test(text);
  return isFloat && Number.isInteger(value) ? new Float(value) : value;
}

type Ending = "end" | "else" | "eof";

export function parseTemplate(name: string, source: string): Template {
  const parser = new Parser(name, source);
  const { body } = parser.list("");
  return { name, source, root: body, defined: parser.defined };
}

class Parser {
  readonly defined = new Map<string, Node[]>();
  readonly #name: string;
  readonly #source: string;
  readonly #tokens: Token[];
  #at = 0;
  #variables = ["$"];
  #loops = 0;

  constructor(name: string, source: string) {
    this.#name = name;
    this.#source = source;
    this.#tokens = lex(name, source);
  }

  /** Nodes up to `{{end}}` or `{{else}}`, or to the end of the text when there is no construct open. */
  list(open: string): { body: Node[]; ending: Ending } {
    const body: Node[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === "eof") {
        if (open !== "") this.#fail(token.pos, "unexpected EOF");
        return { body, ending: "eof" };
      }
      if (token.kind === "text") {
        body.push({ kind: "text", text: token.text, pos: token.pos });
        continue;
      }
      const word = this.#skipSpace();
      if (word.kind !== "keyword") {
        this.#at -= 1;
        body.push(this.#action(word.pos));
        continue;
      }
      if (word.text === "end" || word.text === "else") {
        if (open === "") this.#fail(word.pos, `unexpected {{${word.text}}}`);
        if (word.text === "end") this.#close("end");
        return { body, ending: word.text };
      }
      const node = this.#construct(word);
      if (node) body.push(node);
    }
  }

  #action(pos: number): Node {
    return { kind: "action", pipe: this.#pipe("command", "close"), pos };
  }

  #construct(word: Token): Node | undefined {
    const { pos, text } = word;
    switch (text) {
      case "if":
      case "range":
      case "with":
        return this.#branch(text, pos);
      case "break":
      case "continue":
        if (this.#loops === 0) this.#fail(pos, `{{${text}}} outside {{range}}`);
        this.#close(text);
        return { kind: text, pos };
      case "template":
      case "block": {
        const quoted = this.#expect("string", `${text} clause`);
        const name = unquote(quoted.text);
        const next = this.#skipSpace();
        this.#at -= 1;
        if (next.kind === "close" && text === "template") this.#at += 1;
        const pipe =
          next.kind === "close" && text === "template" ? null : this.#pipe(`${text} clause`, "close");
        if (text === "block") this.defined.set(name, this.#scoped("block").body);
        return { kind: "template", name, pipe, pos: quoted.pos };
      }
      default: {
        const name = unquote(this.#expect("string", "define clause").text);
        this.#close("define clause");
        const variables = this.#variables;
        this.#variables = ["$"];
        this.defined.set(name, this.list("define").body);
        this.#variables = variables;
        return undefined;
      }
    }
  }

  #scoped(open: string): { body: Node[]; ending: Ending } {
    const depth = this.#variables.length;
    const result = this.list(open);
    this.#variables.length = depth;
    return result;
  }

  #branch(kind: "if" | "range" | "with", pos: number): Node {
    const depth = this.#variables.length;
    const pipe = this.#pipe(kind, "close");
    if (kind === "range") this.#loops += 1;
    const { body, ending } = this.list(kind);
    if (kind === "range") this.#loops -= 1;
    let otherwise: Node[] = [];
    if (ending === "else") {
      const next = this.#skipSpace();
      if (next.kind === "keyword" && (next.text === "if" || next.text === "with") && next.text === kind) {
        otherwise = [this.#branch(kind, next.pos)];
      } else {
        this.#at -= 1;
        this.#close("else");
        const rest = this.#scoped("else");
        if (rest.ending === "else") this.#fail(this.#peek().pos, "expected end; found {{else}}");
        otherwise = rest.body;
      }
    }
    this.#variables.length = depth;
    return { kind, pipe, body, otherwise, pos };
  }

  #pipe(context: string, end: TokenKind): Pipe {
    let token = this.#skipSpace();
    const pos = token.pos;
    const variables: string[] = [];
    let assign = false;
    if (token.kind === "variable") {
      const back = this.#at;
      let after = this.#skipSpace();
      const names = [token.text];
      if (after.kind === "," && context === "range") {
        names.push(this.#expect("variable", "range").text);
        after = this.#skipSpace();
      }
      if (after.kind === ":=" || after.kind === "=") {
        assign = after.kind === "=";
        variables.push(...names);
        token = this.#skipSpace();
      } else this.#at = back;
    }
    this.#at -= 1;
    const commands: Command[] = [];
    for (;;) {
      token = this.#skipSpace();
      if (token.kind === end) break;
      this.#at -= 1;
      if (
        !["bool", "char", "dot", "field", "identifier", "number", "nil", "string", "variable", "("].includes(
          token.kind,
        )
      ) {
        this.#unexpected(token, context);
      }
      commands.push(this.#command(context));
    }
    if (commands.length === 0) this.#fail(token.pos, `missing value for ${context}`);
    for (const command of commands.slice(1)) {
      const first = command.args[0] as Operand;
      if (["bool", "dot", "nil", "number", "string"].includes(first.kind)) {
        this.#fail(command.pos, `non executable command in pipeline stage ${commands.indexOf(command) + 1}`);
      }
    }
    // A name is known to what follows its declaration, not inside it.
    if (!assign) this.#variables.push(...variables);
    return { pos, variables, assign, commands };
  }

  #command(_context: string): Command {
    const args: Operand[] = [];
    const pos = this.#peekSpace().pos;
    for (;;) {
      const token = this.#skipSpace();
      this.#at -= 1;
      const operand = this.#operand();
      if (operand) args.push(operand);
      const next = this.#next();
      if (next.kind === "space") continue;
      if (next.kind === "close" || next.kind === ")") this.#at -= 1;
      else if (next.kind !== "|") this.#unexpected(operand ? next : token, "operand");
      break;
    }
    if (args.length === 0) this.#fail(pos, "empty command");
    return { args, pos };
  }

  #operand(): Operand | undefined {
    const base = this.#term();
    if (!base || this.#peek().kind !== "field") return base;
    const pos = this.#peek().pos;
    const path: string[] = [];
    while (this.#peek().kind === "field") path.push(this.#next().text.slice(1));
    if (base.kind === "field") return { kind: "field", path: [...base.path, ...path], pos };
    if (base.kind === "variable") return { ...base, path, pos };
    if (
      base.kind === "bool" ||
      base.kind === "string" ||
      base.kind === "number" ||
      base.kind === "nil" ||
      base.kind === "dot"
    ) {
      this.#fail(pos, `unexpected . after term ${goQuote("text" in base ? base.text : ".")}`);
    }
    return { kind: "chain", base, path, pos };
  }

  #term(): Operand | undefined {
    const token = this.#skipSpace();
    const { pos, text } = token;
    switch (token.kind) {
      case "identifier":
        if (!Object.hasOwn(FUNCTIONS, text)) this.#fail(pos, `function ${goQuote(text)} not defined`);
        return { kind: "function", name: text, pos };
      case "dot":
        return { kind: "dot", pos };
      case "nil":
        return { kind: "nil", pos };
      case "variable":
        if (!this.#variables.includes(text)) this.#fail(pos, `undefined variable ${goQuote(text)}`);
        return { kind: "variable", name: text, path: [], pos };
      case "field":
        return { kind: "field", path: [text.slice(1)], pos };
      case "bool":
        return { kind: "bool", value: text === "true", pos };
      case "number":
        return { kind: "number", value: constant(text), text, pos };
      case "char":
        return { kind: "number", value: unquote(`"${text.slice(1, -1)}"`).codePointAt(0) ?? 0, text, pos };
      case "string":
        return { kind: "string", value: unquote(text), text, pos };
      case "(":
        return { kind: "pipe", pipe: this.#pipe("parenthesized pipeline", ")"), pos };
    }
    this.#at -= 1;
    return undefined;
  }

  #next(): Token {
    return this.#tokens[Math.min(this.#at++, this.#tokens.length - 1)] as Token;
  }
  #peek(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as Token;
  }
  #skipSpace(): Token {
    let token = this.#next();
    while (token.kind === "space") token = this.#next();
    return token;
  }
  #peekSpace(): Token {
    const token = this.#skipSpace();
    this.#at -= 1;
    return token;
  }
  #expect(kind: TokenKind, context: string): Token {
    const token = this.#skipSpace();
    if (token.kind !== kind) this.#unexpected(token, context);
    return token;
  }
  #close(context: string): void {
    this.#expect("close", context);
  }
  #unexpected(token: Token, context: string): never {
    const word = token.kind === "keyword" || token.kind === "dot" || token.kind === "nil";
    const long = [...token.text].length > 10;
    const quoted = goQuote(long ? [...token.text].slice(0, 10).join("") : token.text);
    const shown = token.kind === "eof" ? "EOF" : word ? `<${token.text}>` : `${quoted}${long ? "..." : ""}`;
    return this.#fail(token.pos, `unexpected ${shown} in ${context}`);
  }
  #fail(pos: number, message: string): never {
    throw new TemplateError(`template: ${this.#name}:${lineOf(this.#source, pos)}: ${message}`);
  }
}
