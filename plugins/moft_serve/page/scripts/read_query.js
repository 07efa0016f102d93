/** Reads a query that a user pasted: CSV, TSV, or JSON rows. */

/** `{items, request}`; an error says in one sentence what is wrong. The server checks the names and the number of features. */
export function readQuery(text, nouns) {
  const content = text.trim();
  if (!content) throw new Error("There are no rows yet: paste some, or take a file.");
  const { names, rows } = content.startsWith("[") ? ofJson(content) : ofLines(content);
  if (!rows.length) throw new Error("There are names of features and no rows.");
  const width = (names ?? rows[0]).length;
  rows.forEach((row, place) => {
    if (row.length !== width)
      throw new Error(
        `Row ${place + 1} has ${row.length} values, and ${names ? "there are names of" : "the first row has"} ${width}.`,
      );
  });
  const columns = names && Object.fromEntries(names.map((name, column) => [name, rows.map((row) => row[column])]));
  return { items: rows.map((_, row) => `${nouns.item} ${row + 1}`), request: { features: columns ?? rows } };
}

function ofJson(content) {
  let value;
  try {
    value = JSON.parse(content);
  } catch {
    throw new Error("The rows are not JSON.");
  }
  if (!Array.isArray(value) || !value.every(Array.isArray))
    throw new Error("The JSON is not a list of rows, each a list of values.");
  return { names: null, rows: value };
}

function ofLines(content) {
  const lines = content.split(/\r?\n/).filter((line) => line.trim());
  const between = lines[0].includes("\t") ? "\t" : lines[0].includes(",") ? "," : /\s+/;
  const cells = lines.map((line) =>
    line
      .trim()
      .split(between)
      .map((cell) => cell.trim()),
  );
  const hasNames = cells[0].every((cell) => cell !== "" && !Number.isFinite(Number(cell)));
  const value = (cell) =>
    cell === "" || cell.toLowerCase() === "nan" ? null : Number.isFinite(Number(cell)) ? Number(cell) : cell;
  return { names: hasNames ? cells[0] : null, rows: cells.slice(hasNames ? 1 : 0).map((row) => row.map(value)) };
}
