/** Aligns tab-separated columns as Go's tabwriter does with minwidth 10, padding 3. */

export interface TableStyle {
  readonly minWidth: number;
  readonly padding: number;
}

const DOCKER: TableStyle = { minWidth: 10, padding: 3 };

/**
 * A cell ends with a tab; a column is a run of lines that have that cell, as wide as its widest one. What follows
 * the last tab of a line takes part in no column.
 */
export function align(text: string, style: TableStyle = DOCKER): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths: number[][] = lines.map(() => []);
  const size = (line: number, column: number): number =>
    [...((lines[line] as string[])[column] as string)].length;
  const has = (line: number, column: number): boolean => column < (lines[line] as string[]).length - 1;

  const column = (from: number, to: number, at: number): void => {
    for (let line = from; line < to; line += 1) {
      if (!has(line, at)) continue;
      let end = line;
      let width = 0;
      while (end < to && has(end, at)) {
        width = Math.max(width, size(end, at));
        end += 1;
      }
      // A column with nothing in it at all takes no room.
      const room = Math.max(style.minWidth, width + style.padding);
      for (let inner = line; inner < end; inner += 1) (widths[inner] as number[])[at] = room;
      column(line, end, at + 1);
      line = end - 1;
    }
  };
  column(0, lines.length, 0);
  return lines
    .map((cells, line) =>
      cells
        .map((cell, at) =>
          at < cells.length - 1
            ? cell + " ".repeat(Math.max(0, (widths[line]?.[at] ?? 0) - [...cell].length))
            : cell,
        )
        .join(""),
    )
    .join("\n");
}
