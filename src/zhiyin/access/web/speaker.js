// What is said goes to a caption room; its captions come back as everybody sees them.

import { Failure } from './api.js';
import { Link } from './link.js';
import { RATE } from './microphone.js';
import { roomPath } from './rooms.js';
import { Sender } from './sender.js';

const SOUND = { role: 'speaker', sample_rate: RATE, encoding: 's16le' };
const LATE = 5; // seconds of sound that captions still make up for after a lost connection
const PATIENCE = 15000; // milliseconds to wait for the last captions

/** A caption as live recognition tells it. */
const partialFrom = ({ id, text, stable = '' }) => ({
  segment_id: id,
  stable,
  unstable: text.startsWith(stable) ? text.slice(stable.length) : text,
});

export class Speaker {
  #begun = false;
  #origin = 0; // the place in the sound where this connection's clock began
  #finishing = false;
  #hurry = 0;

  /** options: language and model, or ''. on: as in stream.js. */
  constructor(room, options, on) {
    this.on = on;
    this.link = new Link(roomPath(room, { ...SOUND, ...options }), {
      opened: () => this.#begin(),
      message: (message) => this.#heard(message),
      lost: (failures) => this.#lost(failures),
    });
    this.sender = new Sender(this.link, {
      behind: on.behind,
      skipped: (samples) => on.skipped(samples / RATE),
      sent: () => this.link.tell({ type: 'eof' }),
    });
  }

  send(samples) {
    this.sender.push(samples);
  }

  finish() {
    this.#finishing = true;
    this.sender.finish();
    this.#hurry = setTimeout(() => this.#done(), PATIENCE);
  }

  close() {
    clearTimeout(this.#hurry);
    this.sender.stop();
    this.link.close();
  }

  #begin() {
    const recent = this.sender.span[1] - LATE * RATE;
    const { next } = this.sender;
    if (this.#begun) this.on.restarted();
    this.#begun = true;
    this.#origin = Math.max(next, recent);
    this.link.settle();
    this.on.ready('');
    if (recent > next) this.on.skipped((recent - next) / RATE);
    this.sender.resume(this.#origin);
  }

  #heard(message) {
    if (message.type === 'caption') this.#caption(message);
    else if (message.type === 'warning') this.on.warned(message);
    else if (message.type === 'error') this.#fail(new Failure('stream', message.error));
    else if (message.type === 'end') this.#done();
  }

  #caption(caption) {
    const shift = this.#origin / RATE;
    const times = { start: caption.start + shift, end: caption.end + shift };
    if (caption.final) this.on.final({ ...caption, ...times, segment_id: caption.id });
    else this.on.partial(partialFrom(caption));
  }

  #lost(failures) {
    this.sender?.pause();
    if (this.#finishing) this.#done();
    else if (!this.#begun && failures > 1) this.#fail(new Failure('broken'));
    else this.on.lost();
  }

  #done() {
    const [, end] = this.sender.span;
    this.close();
    this.on.done(end / RATE);
  }

  #fail(failure) {
    this.close();
    this.on.failed(failure);
  }
}
