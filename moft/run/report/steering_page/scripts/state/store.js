/** The state of the page and what follows from it; every view is told of a change once per frame. */

import { Estimates } from "../outcomes/estimates.js";
import { nearest } from "./simplex.js";
import { DIALS, fragmentOf, stateOf } from "./state.js";
import { Wishes } from "../outcomes/wishes.js";

const WRITTEN_AFTER = 250;
/** The measurement from a change to the frame that shows it, for `PerformanceObserver`. */
const SHOWN = "moft: change to shown";

export class Store {
  constructor(data) {
    this.data = data;
    this.views = [];
    this.isAsked = false;
    this.estimates = data.sources.map((source) => new Estimates(source));
    const measured = this.estimates.flatMap(({ dials }) => dials);
    this.dials = [Math.min(DIALS[0], ...measured), Math.max(DIALS[1], ...measured)];
    this.serve = (weights) => (data.served.length ? nearest(weights, data.served) : weights);
    const m = data.objectives.length;
    const searched = ({ dials }) => [dials[0], this.dials[1]]; // below what was measured, predictions are guesses
    this.wishes = this.estimates.map((estimates) => new Wishes(estimates, m, searched(estimates), this.serve));
    this.restore();
    window.addEventListener("hashchange", () => this.restore());
  }

  /** Takes the state from the address. */
  restore() {
    const { state, problems } = stateOf(location.hash.slice(1), this.data);
    this.state = state;
    this.problems = problems;
    this.ask();
  }

  add(view) {
    this.views.push(view);
  }

  /** Changes the state. */
  change(patch) {
    if (patch.weights || patch.dial) this.problems = [];
    this.state = { ...this.state, ...patch };
    clearTimeout(this.writing);
    this.writing = setTimeout(() => history.replaceState(null, "", `#${fragmentOf(this.state, this.data)}`), WRITTEN_AFTER);
    this.ask();
  }

  /** Has the state shown in the next frame. */
  ask() {
    this.startedAt ??= performance.now();
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => this.show());
  }

  /** Tells all views what is to be seen now. */
  show() {
    this.isAsked = false;
    const now = this.now();
    for (const view of this.views) view.update(now);
    performance.measure(SHOWN, { start: this.startedAt, end: performance.now() });
    performance.clearMeasures(SHOWN); // observers have it; a page that is open for days keeps none
    this.startedAt = undefined;
  }

  /** What is to be seen: the current tradeoff, the pinned one and the base model, and the answer to a wish. */
  now() {
    const { state, data } = this;
    const estimates = this.estimates[state.source];
    let wish = null;
    if (state.by === "outcomes") {
      wish = this.wishes[state.source].fulfilled(state.bounds, state.maximise);
      this.state = { ...state, weights: wish.weights, dial: wish.dial };
    }
    const known = (tradeoff) => {
      const served = this.serve(tradeoff.weights);
      return { ...tradeoff, served, ...estimates.of(served, tradeoff.dial) };
    };
    const { weights, dial, pinned } = this.state;
    return {
      data,
      state: this.state,
      source: estimates.source,
      estimates,
      wish,
      current: known({ weights, dial }),
      pinned: pinned && known(pinned),
      base: estimates.source.base,
      problems: this.problems,
    };
  }
}
