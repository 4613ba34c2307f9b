/** Words for values as Go reads them, with what it says of those that are none. @source Go, package strconv */

/** As strconv.ParseBool. @throws Error with its message */
export function parseGoBool(text: string): boolean {
  if (["1", "t", "T", "true", "TRUE", "True"].includes(text)) return true;
  if (["0", "f", "F", "false", "FALSE", "False"].includes(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** As strconv.Atoi. @throws Error with its message */
export function parseGoInt(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new Error(`strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
}
