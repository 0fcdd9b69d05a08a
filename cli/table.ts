/** A column of a table for people. */
export interface Column {
  readonly title: string;
  /** Cells at least; the widest cell widens the column. */
  readonly width?: number;
}

/** Rows under headings in columns, as wide as what they hold. The last column has no blanks after it. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const lines = [columns.map((column) => column.title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map(({ width = 0 }, index) =>
    lines.reduce((widest, line) => Math.max(widest, Bun.stringWidth(line[index] ?? "")), width),
  );
  const render = (line: readonly string[]): string =>
    line
      .map((cell, index) => pad(cell, widths[index] ?? 0))
      .join("  ")
      .trimEnd();
  return lines.map((line) => `${render(line)}\n`).join("");
}

/** `Name: value` lines with the values in one column. */
export function renderDetails(pairs: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length + 1));
  return pairs.map(([name, value]) => `${`${name}:`.padEnd(width)} ${printable(value)}\n`).join("");
}

/** Text from elsewhere without what would move a terminal's cursor or set its title. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "\ufffd");
}

function pad(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
}
