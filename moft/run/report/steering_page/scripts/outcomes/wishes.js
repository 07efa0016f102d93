/** Finds the weights and the dial that fulfil a wish by their means: bounds on outcomes, and one to maximise. */

import { mean } from "../numbers.js";

const DRAWN = 3000;
const AROUND = 200;

/** Random numbers from a seed, so that a wish has the same answer each time. */
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Weights from the simplex, every second draw near its faces. */
function drawn(random, m, number) {
  const power = number % 2 ? 3 : 1;
  const parts = Array.from({ length: m }, () => (-Math.log(1 - random() * 0.999999)) ** power + 1e-12);
  const sum = parts.reduce((all, part) => all + part, 0);
  return parts.map((part) => part / sum);
}

export class Wishes {
  /** `serve` gives the weights that are served in place of others. */
  constructor(estimates, m, dials, serve) {
    this.estimates = estimates;
    this.m = m;
    this.ends = dials.map((dial) => 1 / (1 + dial));
    this.serve = serve;
    this.known = null;
  }

  /** The least value that a bound asks for. */
  least({ name, value, anchor }) {
    const { source, high } = this.estimates;
    const place = source.names.indexOf(name);
    if (anchor === "base") return value * source.base.values[place];
    return anchor === "best" ? value * high[place] : value;
  }

  /** Everything that is known: what was measured, and predictions everywhere. */
  candidates() {
    if (this.known === null) {
      const random = seeded(1);
      const { points } = this.estimates.source;
      this.known = points.map(({ weights, dial }) => this.at(weights, dial));
      for (const dial of [0.25, 0.5, 1, 2, 4, 16].filter((each) => 1 / (1 + each) <= this.ends[0])) {
        for (let i = 0; i < this.m; i += 1)
          this.known.push(
            this.at(
              Array.from({ length: this.m }, (_, j) => Number(i === j)),
              dial,
            ),
          );
      }
      for (let number = 0; number < DRAWN; number += 1) {
        const strength = this.ends[1] + (this.ends[0] - this.ends[1]) * random();
        this.known.push(this.at(drawn(random, this.m, number), 1 / strength - 1));
      }
    }
    return this.known;
  }

  at(weights, dial) {
    const own = this.serve(weights);
    return { weights: own, dial, values: this.estimates.valuesAt(own, dial) };
  }

  /**
   * The best that keeps all bounds, or else the nearest.
   *
   * `{weights, dial, isKept, obstacles, reachable}`: obstacles are sentences; reachable has for each outcome the lowest and the
   * highest value where all bounds on other outcomes are kept, or null.
   */
  fulfilled(bounds, goal) {
    const { source, low, high } = this.estimates;
    const asked = bounds.map((bound) => ({ ...bound, place: source.names.indexOf(bound.name), least: this.least(bound) }));
    const keeps = (values, { place, least }) => values[place] >= least - 1e-9 * Math.abs(least);
    const goalPlace = source.names.indexOf(goal);
    const worth = ({ values }) => {
      if (asked.every((bound) => keeps(values, bound)))
        return 1e6 + (values[goalPlace] - low[goalPlace]) / (high[goalPlace] - low[goalPlace] || 1);
      return Math.min(...asked.map(({ place, least }) => (values[place] - least) / (high[place] - low[place] || 1)));
    };
    const all = this.candidates();
    let best = all.reduce((one, other) => (worth(other) > worth(one) ? other : one));
    best = this.refined(best, worth);
    const isKept = worth(best) >= 1e5;
    const reachable = source.names.map((_, place) => {
      const isInside = ({ values }) => asked.every((bound) => bound.place === place || keeps(values, bound));
      const own = all.filter(isInside).map(({ values }) => Math.min(Math.max(values[place], low[place]), high[place]));
      if (isInside(best)) own.push(best.values[place]); // what is shown may be predicted beyond all that was measured
      return own.length ? [own.reduce((a, b) => Math.min(a, b)), own.reduce((a, b) => Math.max(a, b))] : null;
    });
    return { ...best, isKept, asked, reachable, obstacles: isKept ? [] : this.obstacles(asked, reachable, all) };
  }

  /** A better place close by, if there is one. */
  refined(best, worth) {
    const random = seeded(2);
    for (let step = 0; step < 2 * AROUND; step += 1) {
      const share = random() ** 2 * (step < AROUND ? 0.5 : 0.1);
      const towards = drawn(random, this.m, step);
      const strength = (1 - share) / (1 + best.dial) + share * (this.ends[1] + (this.ends[0] - this.ends[1]) * random());
      const other = this.at(
        best.weights.map((weight, i) => (1 - share) * weight + share * towards[i]),
        1 / strength - 1,
      );
      if (worth(other) > worth(best)) best = other;
    }
    return best;
  }

  /** For each bound that the others leave no room for, how far its outcome gets. */
  obstacles(asked, reachable, all) {
    const sentences = [];
    for (const { name, place, least } of asked) {
      const most = all.reduce((highest, { values }) => Math.max(highest, values[place]), -Infinity);
      const inside = reachable[place];
      const words = `${name} needs ${mean(least)}, and reaches`;
      if (most < least) sentences.push(`${words} ${mean(most)} anywhere.`);
      else if (inside !== null && inside[1] < least)
        sentences.push(`${words} ${mean(inside[1])} where all other bounds are kept.`);
    }
    if (!sentences.length) sentences.push("No weights and dial are predicted to keep all bounds at once.");
    return sentences;
  }
}
