/** Numbers as text, in the forms of the report. */

const MISSING = "–";

function isKnown(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** A mean with four digits after the point. */
export function mean(value) {
  return isKnown(value)
    ? value
        .toFixed(4)
        .replace(/^-(0\.0+)$/, "$1")
        .replace("-", "−")
    : MISSING;
}

/** A difference, with its sign. */
export function signed(value) {
  if (!isKnown(value)) return MISSING;
  const text = mean(value);
  return text.startsWith("−") ? text : `+${text}`;
}

/** Three significant digits. */
export function short(value) {
  return isKnown(value) ? String(Number(value.toPrecision(3))) : MISSING;
}

/** An interval in words. */
export function range(low, high) {
  return isKnown(low) && isKnown(high) ? `${mean(low)} to ${mean(high)}` : "";
}

/** Text on one line, without its middle if it is longer than `length`. */
export function shortened(text, length) {
  const line = text.split(/\s+/).join(" ");
  if (line.length <= length) return line;
  return `${line.slice(0, length - Math.floor(length / 2) - 1)}…${line.slice(-Math.floor(length / 2))}`;
}

/** Weights that are rounded to `digits` and still sum to one exactly: the largest remainders are rounded up. */
export function roundedWeights(weights, digits = 4) {
  const unit = 10 ** digits;
  const parts = weights.map((weight) => Math.floor(weight * unit + 1e-9));
  const order = weights.map((_, i) => i).sort((a, b) => weights[b] * unit - parts[b] - (weights[a] * unit - parts[a]));
  let left = unit - parts.reduce((sum, part) => sum + part, 0);
  for (let i = 0; left > 0; i = (i + 1) % order.length, left -= 1) parts[order[i]] += 1;
  return parts.map((part) => part / unit);
}
