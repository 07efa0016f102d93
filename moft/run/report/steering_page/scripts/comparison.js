/** The table of base, current and pinned, the list of choices, and what is said to those who do not see the picture. */

import { at, make, setText } from "./dom.js";
import { mean, range, short, signed } from "./numbers.js";

const SAID_AFTER = 700;

/** Outcomes side by side, with differences. */
export function comparison(store) {
  at("pin").addEventListener("click", () => {
    const { weights, dial } = store.state;
    store.change({ pinned: { weights, dial } });
  });
  at("unpin").addEventListener("click", () => store.change({ pinned: null }));
  at("back").addEventListener("click", () => store.change({ by: "weights", ...store.state.pinned }));
  let saying;
  return {
    update({ source, current, pinned, base, data, problems, wish }) {
      const cell = (value, small, kind = "n") =>
        make("td", { class: kind }, value, ...(small ? [make("small", { text: small })] : []));
      at("compared").replaceChildren(
        ...source.names.map((name, k) => {
          const cells = [cell(mean(base.values[k]), base.ci && base.ci[k] ? range(...base.ci[k]) : "")];
          cells.push(cell(mean(current.values[k]), range(current.low[k], current.high[k]), "n current"));
          cells.push(cell(signed(current.values[k] - base.values[k])));
          if (pinned) {
            cells.push(cell(mean(pinned.values[k]), range(pinned.low[k], pinned.high[k])));
            cells.push(cell(signed(current.values[k] - pinned.values[k])));
          }
          return make("tr", {}, make("th", { scope: "row", text: name }), ...cells);
        }),
      );
      for (const element of document.querySelectorAll(".of-pinned")) element.hidden = !pinned;
      const words = ({ weights, dial }) =>
        `${data.objectives.map((name, i) => `${name} ${weights[i].toFixed(3)}`).join(", ")}; dial ${short(dial)}`;
      setText(at("current-at"), words(current));
      setText(at("pinned-at"), pinned ? words(pinned) : "");
      const kind = current.isMeasured ? "Measured" : "Predicted";
      setText(at("kind"), `Current: ${kind.toLowerCase()}.`);
      setText(at("problems"), problems.join(" "));
      clearTimeout(saying);
      const bounds =
        wish === null ? "" : wish.isKept ? " All bounds are kept." : ` The bounds are not kept. ${wish.obstacles.join(" ")}`;
      saying = setTimeout(() => {
        setText(
          at("said"),
          `${kind}: ${source.names.map((name, k) => `${name} ${mean(current.values[k])}`).join(", ")}.${bounds}`,
        );
      }, SAID_AFTER);
    },
  };
}

/** The choices of the run, each of which can be shown and pinned. */
export function choiceList(store) {
  const { choices, objectives } = store.data;
  at("choices-section").hidden = !choices.length;
  at("choices").append(
    ...choices.map(({ name, wish, promised, weights, dial }) => {
      const button = (text, patch) => {
        const element = make("button", { type: "button", "aria-label": `${text} ${name}`, text });
        element.addEventListener("click", () => store.change(patch));
        return element;
      };
      const words = objectives.map((objective, i) => `${objective} ${weights[i].toFixed(3)}`).join(", ");
      const facts = make("p", { class: "soft", text: `${wish}. Promised: ${promised}. ${words}; dial ${short(dial)}.` });
      const buttons = make(
        "p",
        {},
        button("Show", { by: "weights", weights, dial }),
        " ",
        button("Pin", { pinned: { weights, dial } }),
      );
      return make("li", {}, make("b", { text: name }), facts, buttons);
    }),
  );
  return { update() {} };
}
