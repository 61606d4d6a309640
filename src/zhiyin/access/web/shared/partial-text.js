// What is being said, below the transcript: the part that stays in full ink, the rest in light.

import { make } from './dom.js';

const NEAR = 120; // pixels below the window's edge at which its reader still follows
const ALOUD = 4; // settled texts that wait for a screen reader

function lineOf({ stable, unstable }) {
  const rest = make('span', { className: 'unstable', textContent: unstable });
  return make('p', { dir: 'auto' }, stable, rest);
}

export class Unsettled {
  #parts = new Map(); // segment id -> its newest partial result
  #frame = 0;
  #near = false;

  /** spoken: tells a screen reader whole segments, for the words come too quickly to be read out */
  constructor(node, spoken) {
    this.node = node;
    this.spoken = spoken;
  }

  show(partial) {
    this.#parts.set(partial.segment_id, partial);
    this.#schedule();
  }

  settle({ segment_id: id, text }) {
    this.#parts.delete(id);
    this.#schedule();
    if (!text) return;
    this.spoken.append(make('p', { textContent: text }));
    while (this.spoken.children.length > ALOUD) this.spoken.firstChild.remove();
  }

  clear() {
    this.#parts.clear();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.node.replaceChildren();
    this.spoken.replaceChildren();
  }

  #schedule() {
    if (this.#frame) return;
    this.#near = this.#below() < NEAR;
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #below() {
    return this.node.getBoundingClientRect().bottom - window.innerHeight;
  }

  #draw() {
    this.#frame = 0;
    this.node.replaceChildren(...[...this.#parts.values()].map(lineOf));
    if (this.#near && this.#below() > 0) this.node.scrollIntoView({ block: 'end' });
  }
}
