// The list of the newest captions, a paragraph each; what may still change is in a lighter shade.

import { make } from '../shared/dom.js';

const MAX_SHOWN = 24; // captions; older ones are far above the edge
const MAX_ANNOUNCED = 4; // final captions kept for the screen reader

function fill(row, { text, stable = '', final }) {
  const unchanging = final || !text.startsWith(stable) ? '' : stable;
  const rest = make('span', { className: 'unstable', textContent: text.slice(unchanging.length) });
  if (final) row.replaceChildren(text);
  else row.replaceChildren(unchanging, rest);
}

export class CaptionLines {
  #rows = new Map(); // id -> { node, caption }

  /** announcer: a log region for screen readers; gets whole captions, as words come too quickly */
  constructor(list, announcer) {
    this.list = list;
    this.announcer = announcer;
  }

  get isEmpty() {
    return !this.list.hasChildNodes();
  }

  /** The room's captions so far. None after a restart of the server: then the final ones stay. */
  replay(captions) {
    if (captions.length) this.list.replaceChildren();
    for (const { node, caption } of this.#rows.values()) {
      if (!caption.final) node.remove();
    }
    this.#rows.clear(); // the ids start again
    for (const caption of captions.slice(-MAX_SHOWN)) this.#put(caption);
  }

  show(caption) {
    const known = this.#rows.get(caption.id)?.caption;
    if (known?.final && caption.final && known.text === caption.text) return;
    if (known?.final) this.#rows.delete(caption.id); // another speaker counts from the start again
    this.#put(caption);
    if (caption.final) this.#announce(caption.text);
  }

  #put(caption) {
    const row = this.#rows.get(caption.id)?.node ?? this.#addRow();
    fill(row, { ...caption, text: caption.text.trim() });
    this.#rows.set(caption.id, { node: row, caption });
  }

  #addRow() {
    const row = make('p', { dir: 'auto' });
    this.list.append(row);
    while (this.list.children.length > MAX_SHOWN) this.list.firstChild.remove();
    for (const [id, { node }] of this.#rows) {
      if (!node.isConnected) this.#rows.delete(id);
    }
    return row;
  }

  #announce(text) {
    if (text) this.announcer.append(make('p', { textContent: text }));
    while (this.announcer.children.length > MAX_ANNOUNCED) this.announcer.firstChild.remove();
  }
}
