/** Regular expressions as Go reads them (RE2), for those of users' words. @source Go, package regexp/syntax */

const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7F",
  blank: "\\t ",
  cntrl: "\\x00-\\x1F\\x7F",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@\\[-`{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const fail = (what: string, where: string): never => {
  throw new Error(`error parsing regexp: ${what}: \`${where}\``);
};

const literally = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");

/** What stands between `[` and `]`, from its first character on; and where the `]` is. */
function classAt(source: string, start: number): { text: string; end: number } {
  let at = start;
  let text = source[at] === "^" ? "^" : "";
  at += text.length;
  for (let first = true; at < source.length; first = false) {
    const rest = source.slice(at);
    if (rest[0] === "]" && !first) return { text, end: at };
    const posix = /^\[:(\^?)(\w+):\]/.exec(rest);
    if (posix) {
      const range = POSIX[posix[2]!] ?? fail("invalid character class range", posix[0]);
      // Only a whole class can be negated in JavaScript.
      text += posix[1] ? fail("negated character class within a class is not known", posix[0]) : range;
      at += posix[0].length;
      continue;
    }
    const piece =
      rest[0] === "\\"
        ? escapeAt(source, at)
        : { text: /[[\]]/.test(rest[0]!) ? `\\${rest[0]}` : rest[0]!, length: 1 };
    text += piece.text;
    at += piece.length;
  }
  return fail("missing closing ]", source.slice(start - 1));
}

/** One escape, within a class or without. */
function escapeAt(source: string, at: number): { text: string; length: number } {
  const rest = source.slice(at);
  if (rest.length === 1) return fail("trailing backslash at end of expression", "");
  const property = /^\\([pP])(?:\{(\^?)([^}]*)\}|([A-Z]))/.exec(rest);
  if (property) {
    const negative = (property[1] === "P") !== (property[2] === "^");
    return { text: `\\${negative ? "P" : "p"}{${property[3] ?? property[4]}}`, length: property[0].length };
  }
  const known = /^\\(?:[dDsSwWbBnrtfv]|x[0-9a-fA-F]{2}|0)/.exec(rest);
  if (known) return { text: known[0], length: known[0].length };
  const point = /^\\x\{([0-9a-fA-F]+)\}/.exec(rest);
  if (point) return { text: `\\u{${point[1]}}`, length: point[0].length };
  if (rest[1] === "a") return { text: "\\x07", length: 2 };
  if (rest[1] === "A") return { text: "(?<![\\s\\S])", length: 2 };
  if (rest[1] === "z") return { text: "(?![\\s\\S])", length: 2 };
  if (/[0-9A-Za-z]/.test(rest[1]!)) return fail("invalid escape sequence", rest.slice(0, 2));
  return { text: rest[1] === "-" ? "\\x2d" : literally(rest[1]!), length: 2 };
}

/** @throws Error in Go's words */
export function goRegExp(source: string): RegExp {
  let flags = "u";
  let text = "";
  const open: number[] = [];
  for (let at = 0; at < source.length; ) {
    const rest = source.slice(at);
    const quoted = /^\\Q([\s\S]*?)(?:\\E|$)/.exec(rest);
    const leading = at === 0 ? /^\(\?([ims]+)\)/.exec(rest) : null;
    if (leading) {
      for (const flag of new Set(leading[1])) flags += flag;
      at += leading[0].length;
    } else if (quoted) {
      text += literally(quoted[1]!);
      at += quoted[0].length;
    } else if (rest[0] === "\\") {
      const escaped = escapeAt(source, at);
      text += escaped.text;
      at += escaped.length;
    } else if (rest[0] === "[") {
      const { text: inside, end } = classAt(source, at + 1);
      text += `[${inside}]`;
      at = end + 1;
    } else if (rest[0] === "(") {
      const group = /^\((?:\?(?:P?<(?<name>\w+)>|[ims]*(?:-[ims]+)?:))?/.exec(rest)!;
      if (group[0] === "(" && rest[1] === "?")
        fail("invalid or unsupported Perl syntax", /^\(\?[<P]?[^)]?/.exec(rest)![0]);
      open.push(at);
      text += group.groups?.name === undefined ? group[0] : `(?<${group.groups.name}>`;
      at += group[0].length;
    } else if (rest[0] === ")") {
      if (open.pop() === undefined) fail("unexpected )", source);
      text += ")";
      at++;
    } else if (/^[*+?]/.test(rest)) {
      const operator = /^[*+?]\??/.exec(rest)![0];
      if (/(^|[(|:])$/.test(source.slice(0, at)) && !source.slice(0, at).endsWith("\\"))
        fail("missing argument to repetition operator", operator);
      const twice = /^[*+?]\??[*+?]/.exec(rest);
      if (twice) fail("invalid nested repetition operator", twice[0]);
      text += operator;
      at += operator.length;
    } else {
      const count = /^\{\d+(?:,\d*)?\}\??/.exec(rest)?.[0];
      text += count ?? (/[{}\]]/.test(rest[0]!) ? `\\${rest[0]}` : rest[0]!);
      at += count?.length ?? 1;
    }
  }
  if (open.length > 0) fail("missing closing )", source);
  try {
    return new RegExp(text, flags);
  } catch {
    return fail("invalid expression", source);
  }
}
