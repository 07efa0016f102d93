/** Weights on the simplex: not below zero, with the sum one. */

/**
 * The weights after one of them is moved: the others that are not locked keep their proportions and take up the rest.
 */
export function moved(weights, index, value, locked) {
  if (locked[index]) return [...weights];
  const others = weights.map((_, i) => i).filter((i) => i !== index && !locked[i]);
  const held = weights.reduce((sum, weight, i) => (i !== index && locked[i] ? sum + weight : sum), 0);
  const free = Math.max(0, 1 - held);
  const own = others.length ? Math.min(Math.max(value, 0), free) : free;
  const total = others.reduce((sum, i) => sum + weights[i], 0);
  const next = [...weights];
  next[index] = own;
  for (const i of others) next[i] = total > 1e-12 ? (weights[i] * (free - own)) / total : (free - own) / others.length;
  return next;
}

/** The same weights with the sum one; null if they are none. */
export function normalised(weights, tolerance) {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const isFine = weights.every((weight) => Number.isFinite(weight) && weight >= 0) && Math.abs(sum - 1) <= tolerance;
  return isFine ? weights.map((weight) => weight / sum) : null;
}

/** The weights that a policy of several models serves: those of the nearest model. */
export function nearest(weights, served) {
  let best = weights;
  let least = Infinity;
  for (const row of served) {
    const distance = row.reduce((sum, value, i) => sum + (value - weights[i]) ** 2, 0);
    if (distance < least - 1e-9) [best, least] = [row, distance];
  }
  return best;
}
