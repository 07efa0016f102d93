/** Starts the page: the state, and every view of it. */

import { choiceList, comparison } from "./comparison.js";
import { at, make, setText } from "./dom.js";
import { frontView } from "./front/front_view.js";
import { snippets } from "./snippets.js";
import { Store } from "./state/store.js";
import { weightControls } from "./controls/weight_controls.js";
import { wishControls } from "./controls/wish_controls.js";

/** `data` is what `steering_record` wrote. Returns the store, to which further views can be added. */
export function start(data) {
  document.title = `${data.name} · steering · moft`;
  setText(at("name"), data.name);
  setText(at("metric"), data.metric);
  const store = new Store(data);
  for (const view of [sourceSelect, weightControls, wishControls, comparison, choiceList, snippets, frontView]) {
    store.add(view(store));
  }
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the fragment holds the state
    at("front-heading").focus();
  });
  at("steer").hidden = false;
  return store;
}

/** On which lists outcomes were measured, and a choice between several of them. */
function sourceSelect(store) {
  const select = at("source");
  const { sources, nouns } = store.data;
  const words = ({ split, kind, lists, points }) => {
    const what = kind === "front" ? "the front" : "what was measured for choices";
    const on = lists === null ? "" : `, ${lists.toLocaleString("en")} ${lists === 1 ? nouns.list : nouns.lists}`;
    return `${split} split${on}: ${what} (${points.length} tradeoffs)`;
  };
  select.append(...sources.map((source, place) => make("option", { value: place, text: words(source) })));
  select.addEventListener("change", () => {
    const place = Number(select.value);
    const { names } = sources[place];
    const { bounds, maximise } = store.state;
    store.change({
      source: place,
      bounds: bounds.filter(({ name }) => names.includes(name)),
      maximise: names.includes(maximise) ? maximise : names[0],
    });
  });
  return {
    update({ state, source }) {
      select.value = String(state.source);
      const isTest = source.split === "test";
      setText(
        at("source-says"),
        isTest
          ? "To choose by looking at test values is to choose on the test split: they look better than new data will. moft choose measures on the validation split."
          : "",
      );
    },
  };
}
