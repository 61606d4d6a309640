// Partial results, below the transcript: the stable part in full ink, the unstable in lighter.

import { make } from './dom.js';

const FOLLOW_DISTANCE = 120; // pixels below the window's edge within which scrolling follows
const MAX_ANNOUNCED = 4; // final texts kept for the screen reader

function lineOf({ stable, unstable }) {
  const rest = make('span', { className: 'unstable', textContent: unstable });
  return make('p', { dir: 'auto' }, stable, rest);
}

export class PartialText {
  #partials = new Map(); // segment id -> its newest partial result
  #frame = 0;
  #following = false;

  /** announcer: a log region for screen readers; gets whole segments, as words come too quickly */
  constructor(node, announcer) {
    this.node = node;
    this.announcer = announcer;
  }

  show(partial) {
    this.#partials.set(partial.segment_id, partial);
    this.#schedule();
  }

  /** A segment is final: its partial goes. */
  finalize({ segment_id: id, text }) {
    this.#partials.delete(id);
    this.#schedule();
    if (!text) return;
    this.announcer.append(make('p', { textContent: text }));
    while (this.announcer.children.length > MAX_ANNOUNCED) this.announcer.firstChild.remove();
  }

  clear() {
    this.#partials.clear();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.node.replaceChildren();
    this.announcer.replaceChildren();
  }

  #schedule() {
    if (this.#frame) return;
    this.#following = this.#overhang() < FOLLOW_DISTANCE;
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  /** Pixels by which the text ends below the window's edge. */
  #overhang() {
    return this.node.getBoundingClientRect().bottom - window.innerHeight;
  }

  #draw() {
    this.#frame = 0;
    this.node.replaceChildren(...[...this.#partials.values()].map(lineOf));
    if (this.#following && this.#overhang() > 0) this.node.scrollIntoView({ block: 'end' });
  }
}
