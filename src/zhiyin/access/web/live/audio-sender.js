// Sends audio over a connection: buffered to be sent again, no faster than the network takes it.

import { AudioBuffer } from './audio-buffer.js';
import { SAMPLE_RATE } from './microphone.js';

const RESEND_WINDOW = 30; // seconds of audio kept, to send again after a lost connection
const MAX_BUFFERED = 64000; // bytes buffered in the socket: 2 s
const BEHIND_AFTER = 3; // unsent seconds that are reported
const CAUGHT_UP = 1; // unsent seconds at which the report is withdrawn
const STALL_TIMEOUT = 30000; // milliseconds with a full socket before it is replaced
const SEND_INTERVAL = 100; // milliseconds

export class AudioSender {
  #buffer = new AudioBuffer(RESEND_WINDOW * SAMPLE_RATE);
  #next = 0;
  #open = false;
  #finishing = false;
  #behind = false;
  #drainedAt = 0;
  #ticking = 0;

  /** on: behind(boolean), skipped(samples): too old to be sent any more, sent(): all of it */
  constructor(connection, on) {
    this.connection = connection;
    this.on = on;
    this.#ticking = setInterval(() => this.#pump(), SEND_INTERVAL);
  }

  /** The positions of the oldest sample that can be sent again, and after the newest. */
  get span() {
    return [this.#buffer.first, this.#buffer.end];
  }

  /** The position of the first sample that was not sent. */
  get next() {
    return this.#next;
  }

  push(samples) {
    this.#buffer.push(samples);
    this.#pump();
  }

  /** Starts sending at a position; the server has all before it. */
  resume(position) {
    this.#next = Math.min(position, this.#buffer.end);
    this.#open = true;
    this.#drainedAt = performance.now();
    this.#pump();
  }

  /** Goes back to a position that the server does not have, for the next `resume`. */
  rewind(position) {
    this.#next = Math.min(position, this.#next);
  }

  /** Buffers until there is a connection again. */
  pause() {
    this.#open = false;
  }

  /** Nothing more is pushed: `sent` is called after the last sample, again after every resume. */
  finish() {
    this.#finishing = true;
    this.#pump();
  }

  stop() {
    clearInterval(this.#ticking);
    this.#open = false;
  }

  #pump() {
    this.#skipExpired();
    if (!this.#open) return;
    this.#send();
    const inSocket = this.connection.bufferedBytes / 2; // samples
    const unsent = (this.#buffer.end - this.#next + inSocket) / SAMPLE_RATE;
    const behind = unsent > (this.#behind ? CAUGHT_UP : BEHIND_AFTER);
    if (behind !== this.#behind) this.on.behind(behind);
    this.#behind = behind;
  }

  #send() {
    while (this.connection.bufferedBytes < MAX_BUFFERED && this.#next < this.#buffer.end) {
      const samples = this.#buffer.from(this.#next);
      this.connection.send(samples);
      this.#next += samples.length;
    }
    const now = performance.now();
    if (this.connection.bufferedBytes < MAX_BUFFERED) this.#drainedAt = now;
    if (now - this.#drainedAt > STALL_TIMEOUT) this.connection.reconnect();
    if (this.#finishing && this.#open && this.#next === this.#buffer.end) {
      this.#open = false;
      this.on.sent();
    }
  }

  #skipExpired() {
    const expired = this.#buffer.first - this.#next;
    if (expired <= 0) return;
    this.#next = this.#buffer.first;
    this.on.skipped(expired);
  }
}
