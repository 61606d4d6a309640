// The newest captions, one paragraph each; what may still change is in a lighter shade.

import { make } from '../shared/dom.js';

const KEPT = 24; // captions; older ones are far above the edge
const ALOUD = 4; // settled captions that wait for a screen reader

function fill(row, { text, stable = '', final }) {
  const sure = final || !text.startsWith(stable) ? '' : stable;
  const rest = make('span', { className: 'unstable', textContent: text.slice(sure.length) });
  if (final) row.replaceChildren(text);
  else row.replaceChildren(sure, rest);
}

export class CaptionLines {
  #rows = new Map(); // id -> { node, caption }

  /** spoken: tells a screen reader whole captions, for the words come too quickly to be read out */
  constructor(list, spoken) {
    this.list = list;
    this.spoken = spoken;
  }

  get isEmpty() {
    return !this.list.hasChildNodes();
  }

  /** What was said before we came. Nothing, after a restart: then what is settled stays. */
  replay(captions) {
    if (captions.length) this.list.replaceChildren();
    for (const { node, caption } of this.#rows.values()) {
      if (!caption.final) node.remove();
    }
    this.#rows.clear(); // the ids begin anew
    for (const caption of captions.slice(-KEPT)) this.#put(caption);
  }

  show(caption) {
    const known = this.#rows.get(caption.id)?.caption;
    if (known?.final && caption.final && known.text === caption.text) return;
    if (known?.final) this.#rows.delete(caption.id); // another speaker counts from the start again
    this.#put(caption);
    if (caption.final) this.#say(caption.text);
  }

  #put(caption) {
    const row = this.#rows.get(caption.id)?.node ?? this.#addRow();
    fill(row, { ...caption, text: caption.text.trim() });
    this.#rows.set(caption.id, { node: row, caption });
  }

  #addRow() {
    const row = make('p', { dir: 'auto' });
    this.list.append(row);
    while (this.list.children.length > KEPT) this.list.firstChild.remove();
    for (const [id, { node }] of this.#rows) {
      if (!node.isConnected) this.#rows.delete(id);
    }
    return row;
  }

  #say(text) {
    if (text) this.spoken.append(make('p', { textContent: text }));
    while (this.spoken.children.length > ALOUD) this.spoken.firstChild.remove();
  }
}
