/** Cuts a template into text and the words of its actions. */

export type TokenKind =
  | "text"
  | "open"
  | "close"
  | "identifier"
  | "keyword"
  | "field"
  | "variable"
  | "dot"
  | "nil"
  | "bool"
  | "number"
  | "char"
  | "string"
  | "("
  | ")"
  | "|"
  | ":="
  | "="
  | ","
  | "space"
  | "eof";

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly pos: number;
}

const KEYWORDS = new Set([
  "block",
  "break",
  "continue",
  "define",
  "else",
  "end",
  "if",
  "range",
  "template",
  "with",
]);

export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

export function lineOf(source: string, pos: number): number {
  let line = 1;
  for (let at = source.indexOf("\n"); at >= 0 && at < pos; at = source.indexOf("\n", at + 1)) line += 1;
  return line;
}

export function lex(name: string, source: string): Token[] {
  const tokens: Token[] = [];
  const fail = (pos: number, message: string): never => {
    throw new TemplateError(`template: ${name}:${lineOf(source, pos)}: ${message}`);
  };
  let pos = 0;
  let trimNext = false;
  while (pos < source.length) {
    const open = source.indexOf("{{", pos);
    let text = source.slice(pos, open < 0 ? undefined : open);
    const trimLeft = open >= 0 && /^-[ \t\r\n]/.test(source.slice(open + 2, open + 4));
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, "");
    if (trimLeft) text = text.replace(/[ \t\r\n]+$/, "");
    if (text !== "") tokens.push({ kind: "text", text, pos });
    if (open < 0) break;
    pos = open + 2 + (trimLeft ? 2 : 0);
    const comment = /^\/\*[\s\S]*?\*\/(?:[ \t\r\n]-)?\}\}/.exec(source.slice(pos));
    if (comment) {
      trimNext = comment[0].endsWith("-}}");
      pos += comment[0].length;
      continue;
    }
    if (source.startsWith("/*", pos)) fail(pos, "unclosed comment");
    tokens.push({ kind: "open", text: "{{", pos: open });
    [pos, trimNext] = inside(source, pos, tokens, fail);
  }
  tokens.push({ kind: "eof", text: "", pos: source.length });
  return tokens;
}

/** What a word looks like, tried in order. */
const RULES: readonly (readonly [RegExp, TokenKind])[] = [
  [/^[ \t\r\n]+?(?=[ \t\r\n]-\}\})|^[ \t\r\n]+/, "space"],
  [/^:=/, ":="],
  [/^=/, "="],
  [/^\|/, "|"],
  [/^,/, ","],
  [/^\(/, "("],
  [/^\)/, ")"],
  [/^"(?:[^"\\\n]|\\.)*"/, "string"],
  [/^`[^`]*`/, "string"],
  [/^'(?:[^'\\\n]|\\.)+'/, "char"],
  [/^\$[\p{L}\p{Nd}_]*/u, "variable"],
  [/^\.[\p{L}_][\p{L}\p{Nd}_]*/u, "field"],
  [
    /^[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/,
    "number",
  ],
  [/^\./, "dot"],
  [/^[\p{L}_][\p{L}\p{Nd}_]*/u, "identifier"],
];

const UNTERMINATED: Record<string, string> = {
  '"': "unterminated quoted string",
  "`": "unterminated raw quoted string",
  "'": "unterminated character constant",
};

function wordKind(word: string): TokenKind {
  if (KEYWORDS.has(word)) return "keyword";
  if (word === "true" || word === "false") return "bool";
  return word === "nil" ? "nil" : "identifier";
}

/** The words of one action, up to and with its `}}`. */
function inside(
  source: string,
  start: number,
  tokens: Token[],
  fail: (pos: number, message: string) => never,
): [number, boolean] {
  let pos = start;
  let parens = 0;
  for (;;) {
    const rest = source.slice(pos);
    const close = /^(?:[ \t\r\n]-)?\}\}/.exec(rest);
    if (close) {
      if (parens > 0) fail(pos, "unclosed left paren");
      tokens.push({ kind: "close", text: "}}", pos });
      return [pos + close[0].length, close[0].length > 2];
    }
    if (rest === "") fail(pos, "unclosed action");
    const first = rest[0] as string;
    const rule = RULES.find(([pattern]) => pattern.test(rest));
    if (!rule) {
      const number = /^[+-](?:0[xX])?\.?[\p{L}\p{Nd}_]?/u.exec(rest);
      if (number && number[0].length > 1) fail(pos, `bad number syntax: ${JSON.stringify(number[0])}`);
      const point = (first.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0");
      const before = tokens.at(-1)?.kind;
      if (before === "field" || before === "variable" || before === "identifier")
        fail(pos, `bad character U+${point} '${first}'`);
      const printable =
        first > " " && first < "\x7f" ? `unexpected ${JSON.stringify(first)} in command` : undefined;
      fail(
        pos,
        UNTERMINATED[first] ?? printable ?? `unrecognized character in action: U+${point} '${first}'`,
      );
    }
    const [pattern, found] = rule as (typeof RULES)[number];
    const text = (pattern.exec(rest) as RegExpExecArray)[0];
    const kind = found === "identifier" ? wordKind(text) : found;
    if (kind === "(") parens += 1;
    if (kind === ")" && --parens < 0) fail(pos, "unexpected right paren");
    if (kind === "number" && /[\p{L}_]/u.test(rest[text.length] ?? "")) {
      fail(pos, `bad number syntax: "${rest.slice(0, text.length + 1)}"`);
    }
    tokens.push({ kind, text, pos });
    pos += text.length;
  }
}
