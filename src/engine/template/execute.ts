/** Runs a parsed template over a value. */
import { FUNCTIONS } from "./functions.ts";
import { lineOf, TemplateError } from "./lex.ts";
import {
  type Command,
  type Node,
  type Operand,
  type Pipe,
  show,
  showCommand,
  type Template,
} from "./nodes.ts";
import { typeName } from "./printf.ts";
import { goQuote } from "./quote.ts";
import { Float, format, isMap, isRecord, MISSING, TYPE, truth } from "./values.ts";

export interface ExecuteOptions {
  /** A missing key of a map is an error, not `<no value>`. */
  readonly strict?: boolean;
}

export function execute(template: Template, data: unknown, options: ExecuteOptions = {}): string {
  const run = new Execution(template, options.strict ?? false);
  run.walk(template.root, data, [["$", data]], template.name);
  return run.output;
}

type Scope = [string, unknown][];
class LoopExit {
  constructor(readonly kind: "break" | "continue") {}
}

class Execution {
  output = "";
  readonly #template: Template;
  readonly #strict: boolean;
  #depth = 0;
  #name: string;

  constructor(template: Template, strict: boolean) {
    this.#template = template;
    this.#strict = strict;
    this.#name = template.name;
  }

  walk(nodes: readonly Node[], dot: unknown, scope: Scope, name: string): void {
    const depth = scope.length;
    this.#name = name;
    for (const node of nodes) this.#node(node, dot, scope);
    scope.length = depth;
  }

  #node(node: Node, dot: unknown, scope: Scope): void {
    switch (node.kind) {
      case "text":
        this.output += node.text;
        return;
      case "action": {
        const value = this.#pipe(node.pipe, dot, scope);
        if (node.pipe.variables.length === 0)
          this.output += value === undefined ? "<no value>" : format(value);
        return;
      }
      case "if":
      case "with": {
        const depth = scope.length;
        const value = this.#pipe(node.pipe, dot, scope);
        const chosen = truth(value);
        this.walk(
          chosen ? node.body : node.otherwise,
          chosen && node.kind === "with" ? value : dot,
          scope,
          this.#name,
        );
        scope.length = depth;
        return;
      }
      case "range":
        this.#range(node.pipe, node.body, node.otherwise, dot, scope);
        return;
      case "template": {
        const body = this.#template.defined.get(node.name);
        if (!body)
          this.#fail(
            node.pos,
            `{{template ${goQuote(node.name)}}}`,
            `template ${goQuote(node.name)} not defined`,
          );
        if (++this.#depth > 1000)
          this.#fail(
            node.pos,
            `{{template ${goQuote(node.name)}}}`,
            "exceeded maximum template depth (1000)",
          );
        const value = node.pipe ? this.#pipe(node.pipe, dot, scope) : null;
        const outer = this.#name;
        this.walk(body, value, [["$", value]], node.name);
        this.#name = outer;
        this.#depth -= 1;
        return;
      }
      default:
        throw new LoopExit(node.kind);
    }
  }

  #range(pipe: Pipe, body: Node[], otherwise: Node[], dot: unknown, scope: Scope): void {
    const depth = scope.length;
    const value = this.#pipe({ ...pipe, variables: [] }, dot, scope);
    let entries: [unknown, unknown][];
    if (Array.isArray(value)) entries = value.map((item, at) => [at, item]);
    else if (isMap(value))
      entries = Object.keys(value)
        .sort()
        .map((key) => [key, value[key]]);
    else if (typeof value === "number" && Number.isInteger(value))
      entries = Array.from({ length: Math.max(0, value) }, (_, at) => [at, at]);
    else if (value === null || value === undefined || value === MISSING) entries = [];
    else {
      const { args } = pipe.commands.at(-1) as Command;
      const last = args[0] as Operand;
      this.#fail(last.pos, show(last), `range can't iterate over ${format(value)}`);
    }
    if (entries.length === 0) {
      this.walk(otherwise, dot, scope, this.#name);
      return;
    }
    for (const [key, item] of entries) {
      const names = pipe.variables;
      const values = names.length === 2 ? [key, item] : [item];
      names.forEach((name, at) => {
        if (pipe.assign) this.#assign(pipe, scope, name, values[at]);
        else scope.push([name, values[at]]);
      });
      try {
        this.walk(body, item, scope, this.#name);
      } catch (exit) {
        if (!(exit instanceof LoopExit)) throw exit;
        if (exit.kind === "break") break;
      } finally {
        scope.length = depth;
      }
    }
  }

  #assign(pipe: Pipe, scope: Scope, name: string, value: unknown): void {
    const entry = scope.findLast(([known]) => known === name);
    const last = pipe.commands.at(-1)?.args.at(-1) as Operand;
    if (!entry) this.#fail(last.pos, show(last), `undefined variable: ${name}`);
    entry[1] = value;
  }

  #pipe(pipe: Pipe, dot: unknown, scope: Scope): unknown {
    let value: unknown;
    pipe.commands.forEach((command, at) => {
      value = this.#command(command, dot, scope, at > 0 ? [value] : []);
    });
    for (const name of pipe.variables) {
      if (pipe.assign) this.#assign(pipe, scope, name, value);
      else scope.push([name, value]);
    }
    return value;
  }

  #command(command: Command, dot: unknown, scope: Scope, piped: unknown[]): unknown {
    const [first, ...rest] = command.args as [Operand, ...Operand[]];
    if (first.kind === "function") return this.#call(first.name, first.pos, command, rest, dot, scope, piped);
    if (first.kind === "field" || first.kind === "variable" || first.kind === "chain") {
      return this.#path(first, dot, scope, [
        ...rest.map((arg) => () => this.#operand(arg, dot, scope)),
        ...piped.map((value) => () => value),
      ]);
    }
    if (rest.length > 0 || piped.length > 0)
      this.#fail(first.pos, show(first), `can't give argument to non-function ${show(first)}`);
    if (first.kind === "nil") this.#fail(first.pos, "nil", "nil is not a command");
    return this.#operand(first, dot, scope);
  }

  #call(
    name: string,
    pos: number,
    command: Command,
    rest: Operand[],
    dot: unknown,
    scope: Scope,
    piped: unknown[],
  ): unknown {
    const { arity, call, params } = FUNCTIONS[name] as (typeof FUNCTIONS)[string];
    const count = rest.length + piped.length;
    if (count < arity[0] || count > arity[1]) {
      const want = arity[1] === Number.POSITIVE_INFINITY ? `at least ${arity[0]}` : String(arity[0]);
      this.#fail(pos, name, `wrong number of args for ${name}: want ${want} got ${count}`);
    }
    if (name === "and" || name === "or") {
      let value: unknown;
      for (const arg of rest) {
        value = this.#operand(arg, dot, scope);
        if (truth(value) === (name === "or")) return value;
      }
      return piped.length > 0 ? piped[0] : value;
    }
    const args = [...rest.map((arg) => this.#operand(arg, dot, scope)), ...piped];
    params.forEach((type, at) => {
      const given = args[at];
      // Written as a float, it is as good.
      if (type === "int" && given instanceof Float && rest[at]?.kind === "number") args[at] = given.value;
      this.#check(rest[at] ?? (command.args[0] as Operand), args[at], type);
    });
    try {
      return call(...args);
    } catch (error) {
      if (error instanceof TemplateError) throw error;
      this.#fail(pos, showCommand(command), `error calling ${name}: ${(error as Error).message}`);
    }
  }

  /** What a function was given, where it says what it wants. */
  #check(operand: Operand, value: unknown, type: "string" | "int" | "[]string"): void {
    const absent = value === null || value === undefined || value === MISSING;
    if (absent && type === "[]string") return;
    if (typeName(value) === type || (type === "[]string" && Array.isArray(value))) return;
    const written = ["bool", "number", "string", "nil"].includes(operand.kind);
    const message = !written
      ? `wrong type for value; expected ${type}; got ${absent ? "interface {}" : typeName(value)}`
      : type === "[]string"
        ? `can't handle ${show(operand)} for arg of type []string`
        : `expected ${type === "int" ? "integer" : type}; found ${show(operand)}`;
    this.#fail(operand.pos, show(operand), message);
  }

  #operand(operand: Operand, dot: unknown, scope: Scope): unknown {
    switch (operand.kind) {
      case "dot":
        return dot;
      case "nil":
        return null;
      case "bool":
      case "number":
      case "string":
        return operand.value;
      case "pipe":
        return this.#pipe(operand.pipe, dot, scope);
      case "function":
        return this.#call(
          operand.name,
          operand.pos,
          { args: [operand], pos: operand.pos },
          [],
          dot,
          scope,
          [],
        );
      default:
        return this.#path(operand, dot, scope, []);
    }
  }

  #path(operand: Operand & { path: string[] }, dot: unknown, scope: Scope, args: (() => unknown)[]): unknown {
    let value: unknown = dot;
    if (operand.kind === "variable") value = scope.findLast(([name]) => name === operand.name)?.[1];
    else if (operand.kind === "chain") value = this.#operand(operand.base, dot, scope);
    let inRecord = false;
    operand.path.forEach((name, at) => {
      const last = at === operand.path.length - 1;
      const record = isRecord(value);
      value = this.#field(operand, value, name, last ? args : [], inRecord);
      inRecord = record;
    });
    if (operand.path.length === 0 && args.length > 0) {
      this.#fail(operand.pos, show(operand), `can't give argument to non-function ${show(operand)}`);
    }
    return value;
  }

  #field(
    operand: Operand,
    value: unknown,
    name: string,
    args: (() => unknown)[],
    inRecord: boolean,
  ): unknown {
    const fail = (message: string): never => this.#fail(operand.pos, show(operand), message);
    if (value === null || value === undefined || value === MISSING) {
      return fail(`nil pointer evaluating interface {}.${name}`);
    }
    if (isRecord(value)) {
      if (!(name in value)) return fail(`can't evaluate field ${name} in type ${value[TYPE]}`);
      const member = value[name];
      const want = typeof member === "function" ? member.length : 0;
      if (args.length !== want)
        return fail(`wrong number of args for ${name}: want ${want} got ${args.length}`);
      if (typeof member !== "function") return member;
      return member.apply(
        value,
        args.map((arg) => arg()),
      );
    }
    if (isMap(value)) {
      const method = Object.hasOwn(value, name) ? value[name] : undefined;
      if (typeof method === "function") return method(...args.map((arg) => arg()));
      if (args.length > 0) return fail(`${name} is not a method but has arguments`);
      if (Object.hasOwn(value, name)) return value[name];
      return this.#strict ? fail(`map has no entry for key ${goQuote(name)}`) : MISSING;
    }
    return fail(`can't evaluate field ${name} in type ${inRecord ? typeof value : "interface {}"}`);
  }

  #fail(pos: number, context: string, message: string): never {
    const { name, source } = this.#template;
    const start = source.lastIndexOf("\n", pos - 1);
    const column = start < 0 ? pos : pos - start;
    throw new TemplateError(
      `template: ${name}:${lineOf(source, pos)}:${column}: executing ${goQuote(this.#name)} at <${context}>: ${message}`,
    );
  }
}
