/** Makes elements without parsing HTML: names and texts come from data, and only ever become text. */

/**
 * An element. `attributes` are set as they are; a function is a listener, `text` the content, null leaves one out.
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "text") element.textContent = value;
    else if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** The element of the page with this id. */
export function at(id) {
  return document.getElementById(id);
}

/** Sets text only where it changes, so that screen readers and selections are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets the value of an input unless the user is typing into it. */
export function setValue(input, value) {
  if (input.value !== value && !(document.activeElement === input && input.type === "number")) input.value = value;
}

/** Copies text to the clipboard; true if it worked. */
export async function copied(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const range = document.createRange();
    range.selectNodeContents(field);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy");
  }
}
