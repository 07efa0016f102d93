/** What is known of the outcomes of weights and dial: what was measured there, or what is predicted, with intervals. */

import { Surrogate, coordinates } from "./surrogate.js";

const NEAREST = 5;
/** Weights of a link have four digits. */
const SAME = 2e-4;
/** Half of a 95 % interval, as a multiple of the mean absolute error of a normal error. */
const WIDTH = 1.959964 * Math.sqrt(Math.PI / 2);

export class Estimates {
  /** `source` is one of the page's data: points, base model and surrogate, all of the same lists. */
  constructor(source) {
    this.source = source;
    this.surrogate = new Surrogate(source.surrogate);
    this.ranged = source.points.filter((point) => point.ci !== null);
    this.spots = this.ranged.map((point) => coordinates(point.weights, point.dial));
    const columns = source.names.map((_, k) => [...source.points.map((point) => point.values[k]), source.base.values[k]]);
    this.low = columns.map((column) => Math.min(...column));
    this.high = columns.map((column) => Math.max(...column));
    const dials = source.points.map((point) => point.dial);
    this.dials = [Math.min(...dials), Math.max(...dials)];
  }

  /** `{values, low, high, isMeasured}` of weights and dial. */
  of(weights, dial) {
    const own = this.measured(weights, dial);
    if (own !== null && own.ci !== null) {
      const ends = (end) => own.ci.map((bounds, k) => (bounds === null ? own.values[k] : bounds[end]));
      return { values: own.values, low: ends(0), high: ends(1), isMeasured: true };
    }
    const values = this.valuesAt(weights, dial);
    const sides = [0, 1].map((side) => this.halfWidths(weights, dial, side, own === null));
    const [low, high] = [values.map((value, k) => value - sides[0][k]), values.map((value, k) => value + sides[1][k])];
    return { values, low, high, isMeasured: own !== null };
  }

  /** The values alone. */
  valuesAt(weights, dial) {
    return this.measured(weights, dial)?.values ?? this.surrogate.predict(weights, dial);
  }

  /** The point that was measured there; null if none was. */
  measured(weights, dial) {
    const isThere = (point) =>
      Math.abs(point.dial / dial - 1) < SAME && point.weights.every((weight, i) => Math.abs(weight - weights[i]) < SAME);
    return this.source.points.findLast(isThere) ?? null;
  }

  /**
   * How far an interval reaches to one side: as at the nearest measured points that have one, and for a prediction
   * further by its error.
   */
  halfWidths(weights, dial, side, isPredicted) {
    const here = coordinates(weights, dial);
    const near = this.spots
      .map((spot, n) => [Math.sqrt(spot.reduce((sum, value, i) => sum + (value - here[i]) ** 2, 0)), n])
      .sort((a, b) => a[0] - b[0])
      .slice(0, NEAREST);
    return this.source.names.map((_, k) => {
      let [sum, shares] = [0, 0];
      for (const [distance, n] of near) {
        const { values, ci } = this.ranged[n];
        if (ci[k] === null) continue;
        const share = 1 / (distance + 1e-9);
        sum += share * Math.abs(ci[k][side] - values[k]);
        shares += share;
      }
      return Math.hypot(shares ? sum / shares : 0, isPredicted ? WIDTH * this.source.error[k] : 0);
    });
  }
}
