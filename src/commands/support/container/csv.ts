/** One line of comma-separated fields, which may be quoted, as flags with several fields take it. */
export function parseCsv(line: string): string[] {
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    let field = "";
    if (line[at] === '"') {
      at += 1;
      for (;;) {
        if (at >= line.length)
          throw new Error(`parse error on line 1, column ${at + 1}: extraneous or missing " in quoted-field`);
        if (line[at] === '"' && line[at + 1] === '"') {
          field += '"';
          at += 2;
        } else if (line[at] === '"') {
          at += 1;
          break;
        } else field += line[at++];
      }
      if (at < line.length && line[at] !== ",")
        throw new Error(`parse error on line 1, column ${at}: extraneous or missing " in quoted-field`);
    } else {
      const end = line.indexOf(",", at);
      field = line.slice(at, end < 0 ? undefined : end);
      const quote = field.indexOf('"');
      if (quote >= 0)
        throw new Error(`parse error on line 1, column ${at + quote + 1}: bare " in non-quoted-field`);
      at += field.length;
    }
    fields.push(field);
    if (at >= line.length) return fields;
    at += 1;
  }
}
