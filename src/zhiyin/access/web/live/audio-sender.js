// Audio on its way to the server: kept for a while, sent no quicker than the network takes it.

import { RATE } from './microphone.js';
import { Tape } from './audio-buffer.js';

const KEPT = 30; // seconds of audio to send again after a lost connection
const FULL = 64000; // bytes waiting in the socket: 2 s
const BEHIND = 3; // seconds unsent that are worth a word
const STUCK = 30000; // milliseconds without any room before the connection is given up
const TICK = 100; // milliseconds

export class Sender {
  #tape = new Tape(KEPT * RATE);
  #next = 0;
  #open = false;
  #last = false;
  #behind = false;
  #roomAt = 0;
  #ticking = 0;

  /** on: behind(whether), skipped(samples) that can't be sent any more, sent() all of it */
  constructor(link, on) {
    this.link = link;
    this.on = on;
    this.#ticking = setInterval(() => this.#pump(), TICK);
  }

  /** The oldest sample that can be sent again, and the place after the newest. */
  get span() {
    return [this.#tape.first, this.#tape.end];
  }

  /** The place of the first sample that was not sent. */
  get next() {
    return this.#next;
  }

  push(samples) {
    this.#tape.push(samples);
    this.#pump();
  }

  /** Sends on from a place; what lies before it has arrived. */
  resume(place) {
    this.#next = Math.min(place, this.#tape.end);
    this.#open = true;
    this.#roomAt = performance.now();
    this.#pump();
  }

  /** Goes back to a place that did not arrive, for the next `resume`. */
  rewind(place) {
    this.#next = Math.min(place, this.#next);
  }

  /** Keeps what comes until there is a connection. */
  pause() {
    this.#open = false;
  }

  /** Nothing more is pushed: `sent` is told after the last sample, again after every resume. */
  finish() {
    this.#last = true;
    this.#pump();
  }

  stop() {
    clearInterval(this.#ticking);
    this.#open = false;
  }

  #pump() {
    this.#skip();
    if (!this.#open) return;
    this.#send();
    const waiting = (this.#tape.end - this.#next + this.link.backlog / 2) / RATE;
    const behind = waiting > (this.#behind ? 1 : BEHIND);
    if (behind !== this.#behind) this.on.behind(behind);
    this.#behind = behind;
  }

  #send() {
    while (this.link.backlog < FULL && this.#next < this.#tape.end) {
      const piece = this.#tape.from(this.#next);
      this.link.send(piece);
      this.#next += piece.length;
    }
    const now = performance.now();
    if (this.link.backlog < FULL) this.#roomAt = now;
    if (now - this.#roomAt > STUCK) this.link.renew();
    if (this.#last && this.#open && this.#next === this.#tape.end) {
      this.#open = false;
      this.on.sent();
    }
  }

  #skip() {
    const missing = this.#tape.first - this.#next;
    if (missing <= 0) return;
    this.#next = this.#tape.first;
    this.on.skipped(missing);
  }
}
