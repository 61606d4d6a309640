// The list of a transcript's segments. Rows are appended in batches, so that thousands stay cheap.

import { make } from './dom.js';
import { clock } from './formats.js';

const BATCH = 250; // rows per frame
const SEEK_TOLERANCE = 0.02; // seconds that a seek may land before the requested time

/** The text with its words as nodes, to be appended in order; null when a word is not in it. */
function wordNodes(text, words) {
  const pieces = [];
  let done = 0;
  for (const { word, start } of words) {
    const plain = word.trim();
    const at = text.indexOf(plain, done);
    if (at < 0) return null;
    const node = make('span', { className: 'word', textContent: plain });
    node.dataset.start = start;
    pieces.push(text.slice(done, at), node);
    done = at + plain.length;
  }
  return [...pieces, text.slice(done)];
}

function textNode(segment) {
  const text = segment.text.trim();
  return make('p', { dir: 'auto' }, ...(wordNodes(text, segment.words ?? []) ?? [text]));
}

function rowOf(segment, playable) {
  const stamp = make('button', {
    type: 'button',
    className: 'stamp',
    textContent: clock(segment.start),
    disabled: !playable,
  });
  stamp.setAttribute('aria-describedby', 'play-hint');
  const row = make('li', { className: 'segment' }, stamp, textNode(segment));
  row.dataset.start = segment.start;
  return row;
}

const sameText = (left, right) =>
  left.length === right.length &&
  left.every((one, index) => one.text === right[index].text && one.start === right[index].start);

export class SegmentList {
  segments = [];
  #drawn = 0;
  #frame = 0;
  #playable = true;
  #current = null;

  constructor(list, onPlay) {
    this.list = list;
    list.addEventListener('click', (event) => this.#clicked(event, onPlay));
  }

  clear() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#drawn = 0;
    this.#current = null;
    this.segments = [];
    this.list.replaceChildren();
  }

  add(segment) {
    this.segments.push(segment);
    this.#schedule();
  }

  /** Sets the final segments; rows are rendered again only if they differ from those shown. */
  replace(segments) {
    const hasWords = segments.some((segment) => segment.words?.length);
    const hadWords = this.segments.some((segment) => segment.words?.length);
    if (hasWords === hadWords && sameText(this.segments, segments)) return;
    this.clear();
    this.segments = [...segments];
    this.#schedule();
  }

  set playable(playable) {
    this.#playable = playable;
    this.list.classList.toggle('mute', !playable);
    for (const stamp of this.list.querySelectorAll('.stamp')) stamp.disabled = !playable;
  }

  /** Highlights the segment at a playback time (seconds), and its word. */
  highlight(time) {
    const row = this.#rowAt(time);
    if (row !== this.#current) this.#moveTo(row);
    this.list.querySelector('.word.now')?.classList.remove('now');
    const words = [...(row?.querySelectorAll('.word') ?? [])];
    words.findLast((word) => word.dataset.start <= time + SEEK_TOLERANCE)?.classList.add('now');
  }

  #schedule() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const batch = this.segments.slice(this.#drawn, this.#drawn + BATCH);
    this.list.append(...batch.map((segment) => rowOf(segment, this.#playable)));
    this.#drawn += batch.length;
    if (this.#drawn < this.segments.length) this.#schedule();
  }

  #rowAt(time) {
    let low = 0;
    let high = this.#drawn;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.segments[middle].start <= time + SEEK_TOLERANCE) low = middle + 1;
      else high = middle;
    }
    return low ? this.list.children[low - 1] : null;
  }

  #moveTo(row) {
    const follow = this.#current && this.#isVisible(this.#current);
    this.#current?.classList.remove('now');
    this.#current?.removeAttribute('aria-current');
    this.#current = row;
    row?.classList.add('now');
    row?.setAttribute('aria-current', 'true');
    if (follow) row?.scrollIntoView({ block: 'nearest' });
  }

  #isVisible(row) {
    const { top, bottom } = row.getBoundingClientRect();
    return bottom > 0 && top < window.innerHeight;
  }

  #clicked(event, onPlay) {
    const target = event.target.closest('[data-start]');
    const selecting = !event.target.closest('button') && !getSelection().isCollapsed;
    if (target && this.#playable && !selecting) onPlay(Number(target.dataset.start));
  }
}
