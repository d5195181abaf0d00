// Columns, as wide as they must be.

export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header.map((cell) => cell.toUpperCase()), ...rows];
  const widths = header.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines.map((line) => `${line.map((cell, column) => (column === line.length - 1 ? cell : cell.padEnd((widths[column] ?? 0) + 3))).join('').trimEnd()}\n`).join('');
}
