// Small DOM helpers. Text goes in through textContent only, never as HTML.

export const byId = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  Object.assign(node, properties);
  node.append(...children);
  return node;
}

export function show(node, visible = true) {
  node.hidden = !visible;
}
