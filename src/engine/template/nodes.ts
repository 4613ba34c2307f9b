/** The tree that a template is parsed into. @source https://pkg.go.dev/text/template */

import type { Float } from "./values.ts";

export interface At {
  /** Offset in the source, for error messages. */
  readonly pos: number;
}

export type Operand =
  | (At & { kind: "dot" })
  | (At & { kind: "nil" })
  | (At & { kind: "bool"; value: boolean })
  | (At & { kind: "number"; value: number | Float; text: string })
  | (At & { kind: "string"; value: string; text: string })
  | (At & { kind: "field"; path: string[] })
  | (At & { kind: "variable"; name: string; path: string[] })
  | (At & { kind: "function"; name: string })
  | (At & { kind: "pipe"; pipe: Pipe })
  | (At & { kind: "chain"; base: Operand; path: string[] });

export interface Command extends At {
  readonly args: Operand[];
}

export interface Pipe extends At {
  readonly variables: string[];
  /** `=` rather than `:=`. */
  readonly assign: boolean;
  readonly commands: Command[];
}

export type Node =
  | (At & { kind: "text"; text: string })
  | (At & { kind: "action"; pipe: Pipe })
  | (At & { kind: "if" | "range" | "with"; pipe: Pipe; body: Node[]; otherwise: Node[] })
  | (At & { kind: "template"; name: string; pipe: Pipe | null })
  | (At & { kind: "break" | "continue" });

export interface Template {
  readonly name: string;
  readonly source: string;
  readonly root: Node[];
  readonly defined: ReadonlyMap<string, Node[]>;
}

/** Writes an operand as error messages show it. */
export function show(operand: Operand): string {
  switch (operand.kind) {
    case "dot":
      return ".";
    case "nil":
      return "nil";
    case "bool":
      return String(operand.value);
    case "number":
    case "string":
      return operand.text;
    case "field":
      return operand.path.map((name) => `.${name}`).join("");
    case "variable":
      return [operand.name, ...operand.path].join(".");
    case "function":
      return operand.name;
    case "pipe":
      return `(${showPipe(operand.pipe)})`;
    case "chain":
      return `${show(operand.base)}${operand.path.map((name) => `.${name}`).join("")}`;
  }
}

export const showCommand = (command: Command): string => command.args.map(show).join(" ");

export function showPipe(pipe: Pipe): string {
  const left = pipe.variables.length > 0 ? `${pipe.variables.join(", ")} ${pipe.assign ? "=" : ":="} ` : "";
  return left + pipe.commands.map(showCommand).join(" | ");
}
