/** Predicts outcomes of weights and dial that were not measured: the mean of the Gaussian process that moft fitted. */

const ROOT_5 = Math.sqrt(5);

/** Where weights and dial lie for the process: all weights meet where the dial is large, at the base model. */
export function coordinates(weights, dial) {
  return [...weights.map((weight) => weight / (1 + dial)), 1 / (1 + dial)];
}

export class Surrogate {
  constructor({ places, factors, size, length, middle, scale }) {
    this.count = places.length;
    this.width = places[0].length;
    this.outcomes = middle.length;
    this.places = Float64Array.from(places.flat());
    this.factors = Float64Array.from(factors.flat());
    this.size = size;
    this.length = length;
    this.middle = middle;
    this.scale = scale;
  }

  /** The outcomes, in their order. */
  predict(weights, dial) {
    const place = coordinates(weights, dial);
    const sums = new Float64Array(this.outcomes);
    for (let n = 0; n < this.count; n += 1) {
      let square = 0;
      for (let i = 0; i < this.width; i += 1) square += (place[i] - this.places[n * this.width + i]) ** 2;
      const far = (ROOT_5 * Math.sqrt(square)) / this.length;
      const kernel = this.size * (1 + far + (far * far) / 3) * Math.exp(-far);
      for (let k = 0; k < this.outcomes; k += 1) sums[k] += kernel * this.factors[n * this.outcomes + k];
    }
    return Array.from(sums, (sum, k) => this.middle[k] + this.scale[k] * sum);
  }
}
