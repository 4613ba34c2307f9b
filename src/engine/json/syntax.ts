/**
 * Says what is wrong with a JSON text in the words of Go's encoding/json, which API clients show as they are.
 * Only reached for a text that `JSON.parse` refused, or that goes on after its first value.
 */

type Found = { ok: true; end: number } | { ok: false; message: string };

const LITERALS: Record<string, string> = { t: "true", f: "false", n: "null" };
const SPACE = " \t\r\n";
/** How deep Go's decoder goes; a deeper text would also end this scanner's stack. */
const MAX_DEPTH = 10_000;

/** What is wrong with a document that is to be one value and no more, as json.Unmarshal says it. */
export function syntaxError(text: string): string {
  const found = scanValue(text);
  if (!found.ok) return found.message.endsWith("EOF") ? "unexpected end of JSON input" : found.message;
  const rest = text.slice(found.end).trimStart();
  return rest === ""
    ? "unexpected end of JSON input"
    : `invalid character ${quote(rest[0]!)} after top-level value`;
}

/** Reads one value from the start of `text`; `end` is where it stopped. */
export function scanValue(text: string): Found {
  let at = 0;
  let depth = 0;

  const failure = (context: string): Found => {
    if (at >= text.length) return { ok: false, message: "unexpected EOF" };
    return { ok: false, message: `invalid character ${quote(text[at]!)} ${context}` };
  };
  const skip = () => {
    while (at < text.length && SPACE.includes(text[at]!)) at++;
  };

  const value = (): Found | undefined => {
    skip();
    const first = text[at];
    if (first === "{") return container("}", true);
    if (first === "[") return container("]", false);
    if (first === '"') return string();
    if (first === "-" || (first !== undefined && first >= "0" && first <= "9")) return number();
    if (first !== undefined && Object.hasOwn(LITERALS, first)) return literal(LITERALS[first]!);
    return failure("looking for beginning of value");
  };

  const container = (close: string, object: boolean): Found | undefined => {
    const noun = object ? "object key:value pair" : "array element";
    if (++depth > MAX_DEPTH) return failure("exceeded max depth");
    at++;
    skip();
    if (text[at] === close) {
      at++;
      depth--;
      return undefined;
    }
    for (;;) {
      if (object) {
        skip();
        if (text[at] !== '"') return failure("looking for beginning of object key string");
        const bad = string();
        if (bad) return bad;
        skip();
        if (text[at] !== ":") return failure("after object key");
        at++;
      }
      const bad = value();
      if (bad) return bad;
      skip();
      if (text[at] === close) {
        at++;
        depth--;
        return undefined;
      }
      if (text[at] !== ",") return failure(`after ${noun}`);
      at++;
    }
  };

  const string = (): Found | undefined => {
    for (at++; at < text.length; at++) {
      const letter = text[at]!;
      if (letter === '"') {
        at++;
        return undefined;
      }
      if (letter < " ") return failure("in string literal");
      if (letter !== "\\") continue;
      at++;
      if (text[at] === "u") {
        for (let digit = 0; digit < 4; digit++) {
          at++;
          if (!/[0-9a-fA-F]/.test(text[at] ?? "")) return failure("in \\u hexadecimal character escape");
        }
      } else if (text[at] === undefined || !'"\\/bfnrt'.includes(text[at]!)) {
        return failure("in string escape code");
      }
    }
    return failure("");
  };

  const digits = () => {
    const from = at;
    while (at < text.length && text[at]! >= "0" && text[at]! <= "9") at++;
    return at > from;
  };

  const number = (): Found | undefined => {
    if (text[at] === "-") at++;
    if (text[at] === "0") at++;
    else if (!digits()) return failure("in numeric literal");
    if (text[at] === ".") {
      at++;
      if (!digits()) return failure("after decimal point in numeric literal");
    }
    if (text[at] === "e" || text[at] === "E") {
      at++;
      if (text[at] === "+" || text[at] === "-") at++;
      if (!digits()) return failure("in exponent of numeric literal");
    }
    return undefined;
  };

  const literal = (word: string): Found | undefined => {
    for (let letter = 1; letter < word.length; letter++) {
      at++;
      if (text[at] !== word[letter]) return failure(`in literal ${word} (expecting ${quote(word[letter]!)})`);
    }
    at++;
    return undefined;
  };

  skip();
  if (at >= text.length) return { ok: false, message: "EOF" };
  return value() ?? { ok: true, end: at };
}

/** Go's quoting of one character. */
function quote(letter: string): string {
  if (letter === "'") return `'\\''`;
  if (letter === '"') return `'"'`;
  return `'${JSON.stringify(letter).slice(1, -1)}'`;
}
