// What is said goes to a caption room; its captions come back as everybody sees them.

import { Failure } from '../shared/api.js';
import { Link } from '../shared/connection.js';
import { RATE } from './microphone.js';
import { roomPath, saidIn } from '../captions/rooms.js';
import { Sender } from './audio-sender.js';

const SOUND = { role: 'speaker', sample_rate: RATE, encoding: 's16le' };
const HEARD_LATE = 2; // seconds after its first words at which a caption begins, at most
const PATIENCE = 15000; // milliseconds to go on trying after the speaker has stopped
// Errors after which another connection is worth it: the room may still be held by the one before.
const PASSING = ['overloaded', 'unavailable', 'room_taken'];
const PASSED = 60000; // milliseconds after which they are for good

/** A caption as live recognition tells it. */
const partialFrom = ({ id, text, stable = '' }) => ({
  segment_id: id,
  stable,
  unstable: text.startsWith(stable) ? text.slice(stable.length) : text,
});

export class Speaker {
  #connections = 0;
  #sending = false; // on this connection
  #origin = 0; // the place in the sound where this connection's clock began
  #settled = 0; // the place where the last final caption ended
  #unsettled = null; // the place where the caption that may still change begins
  #last = Infinity; // the id of the last final caption
  #refused = null; // since when
  #finishing = false;
  #hurry = 0;

  /** options: language and model, or ''. on: as in stream-client.js. */
  constructor(room, options, on) {
    this.room = room;
    this.model = options.model;
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
    if (!this.#sending) this.#setHurry();
  }

  close() {
    this.#endHurry();
    this.sender.stop();
    this.link.close();
  }

  async #begin() {
    this.#connections += 1;
    const connection = this.#connections;
    if (connection > 1) {
      const said = await saidIn(this.room);
      if (connection !== this.#connections || !this.link.isOpen) return;
      said.filter(({ id }) => id > this.#last).forEach((caption) => this.#caption(caption));
      this.on.restarted();
    }
    this.#endHurry();
    this.#sending = true;
    this.#unsettled = null;
    this.#origin = Math.max(this.#settled, this.sender.next);
    this.on.ready(this.model);
    this.sender.resume(this.#origin);
  }

  #heard(message) {
    if (message.type === 'caption') this.#caption(message);
    else if (message.type === 'warning') this.on.warned(message);
    else if (message.type === 'error') this.#refuse(message.error);
    else if (message.type === 'end') this.#done();
  }

  #caption(caption) {
    const shift = this.#origin / RATE;
    const times = { start: caption.start + shift, end: caption.end + shift };
    this.link.settle();
    this.#refused = null;
    this.#last = caption.final ? caption.id : caption.id - 1;
    if (caption.final) {
      this.#settled = Math.round(times.end * RATE);
      this.#unsettled = null;
      this.on.final({ ...caption, ...times, segment_id: caption.id });
    } else {
      this.#unsettled ??= Math.round(times.start * RATE);
      this.on.partial(partialFrom(caption));
    }
  }

  #refuse(error) {
    this.#refused ??= performance.now();
    const passing = this.#connections > 1 && PASSING.includes(error.code);
    if (passing && performance.now() - this.#refused < PASSED) this.link.renew();
    else this.#fail(new Failure('stream', error));
  }

  #lost(failures) {
    this.sender.pause();
    if (this.#sending) this.#rewind();
    this.#sending = false;
    if (!this.#connections && failures > 1) this.#fail(new Failure('broken'));
    else if (this.#finishing) this.#setHurry();
    else this.on.lost();
  }

  /** What is not settled is sent again. */
  #rewind() {
    const unsettled = this.#unsettled ?? this.sender.next;
    this.sender.rewind(Math.max(this.#settled, unsettled - HEARD_LATE * RATE));
  }

  /** Nobody waits for ever for the rest. */
  #setHurry() {
    this.#hurry ||= setTimeout(() => this.#fail(new Failure('broken')), PATIENCE);
  }

  #endHurry() {
    clearTimeout(this.#hurry);
    this.#hurry = 0;
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
