// One live recognition over /v1/stream. A lost connection is taken up where it was; when the
// server has forgotten the session, a new one begins where the last final text ended.

import { Failure } from '../shared/api.js';
import { Link } from '../shared/connection.js';
import { RATE } from './microphone.js';
import { Sender } from './audio-sender.js';

const PATIENCE = 15000; // milliseconds to go on trying after the speaker has stopped
// Errors after which a session that had begun is worth another connection.
const PASSING = ['overloaded', 'unavailable'];
const ENDED = 'after_eof'; // the end was told again: it had arrived before the connection broke

export class Stream {
  #session = null;
  #event = 0; // the newest one that the server counts
  #origin = 0; // the place in the sound where the session's clock began
  #settled = 0; // the place where the last final text ended
  #ready = false; // on this connection
  #begun = false; // there was a session, be it forgotten now
  #failure = null; // why there is no more sound; the rest of the text still comes
  #finishing = false;
  #hurry = 0;

  /**
   * options: fields of the first message. on: ready(model), partial(partial), final(segment),
   * warned({code, message}), lost(), restarted(): unsettled text is void, behind(whether),
   * skipped(seconds), then once done(seconds) or failed(Failure).
   */
  constructor(options, on) {
    this.options = options;
    this.on = on;
    this.link = new Link('v1/stream', {
      opened: () => this.link.tell(this.#greeting()),
      message: (message) => this.#heard(message),
      lost: (failures) => this.#lost(failures),
    });
    this.sender = new Sender(this.link, {
      behind: on.behind,
      skipped: (samples) => this.#skipped(samples),
      sent: () => this.link.tell({ type: 'eof' }),
    });
  }

  send(samples) {
    this.sender.push(samples);
  }

  /** Nothing more is said: `done` follows. */
  finish() {
    this.#finishing = true;
    this.sender.finish();
    if (!this.#ready) this.#setHurry();
  }

  /** Ends it at once, and tells nothing more. */
  close() {
    this.#endHurry();
    this.sender.stop();
    this.link.close();
  }

  #greeting() {
    if (!this.#session) return { type: 'start', ...this.options };
    return { type: 'resume', session_id: this.#session, last_event: this.#event };
  }

  #heard(message) {
    if (message.event) this.#event = Math.max(this.#event, message.event);
    const shift = this.#origin / RATE;
    if (message.type === 'ready') this.#begin(message);
    else if (message.type === 'partial') this.on.partial(message);
    else if (message.type === 'final') this.#final(message, shift);
    else if (message.type === 'warning') this.on.warned(message);
    else if (message.type === 'error') this.#refused(message.error);
    else if (message.type === 'done') this.#done(message.received_s + shift);
  }

  #begin({ session_id: session, model, received_s: received = 0 }) {
    this.#session = session;
    this.#ready = true;
    this.#begun = true;
    this.#endHurry();
    this.link.settle();
    this.on.ready(model);
    this.sender.resume(this.#origin + Math.round(received * RATE));
  }

  #final(message, shift) {
    const [start, end] = [message.start + shift, message.end + shift];
    this.#settled = Math.round(end * RATE);
    this.on.final({ ...message, start, end });
  }

  #done(seconds) {
    this.close();
    if (this.#failure) this.on.failed(this.#failure);
    else this.on.done(seconds);
  }

  #fail(failure) {
    this.close();
    this.on.failed(failure);
  }

  #refused(error) {
    const failure = new Failure('stream', error);
    if (this.#begun && PASSING.includes(error.code)) this.link.renew();
    else if (this.#session && !this.#ready) this.#restart();
    else if (!this.#ready) this.#fail(failure);
    else if (error.code !== ENDED) this.#giveUp(failure);
  }

  /** The server takes no more sound; what it has heard, it still tells. */
  #giveUp(failure) {
    this.#failure = failure;
    this.sender.stop();
    this.#setHurry();
  }

  /** What was said since the last final text, as far as it is kept, is sent to a new session. */
  #restart() {
    this.#session = null;
    this.#event = 0;
    this.#origin = Math.max(this.#settled, this.sender.span[0]);
    this.on.restarted();
    this.link.settle(); // the server is there; what failed was the session
    this.link.renew();
  }

  #lost(failures) {
    this.#ready = false;
    this.sender?.pause();
    if (this.#failure || (!this.#begun && failures > 1)) {
      this.#fail(this.#failure ?? new Failure('broken'));
      return;
    }
    if (this.#finishing) this.#setHurry();
    else this.on.lost();
  }

  #skipped(samples) {
    this.#origin += samples;
    this.on.skipped(samples / RATE);
  }

  /** Nobody waits for ever for the rest. */
  #setHurry() {
    const fail = () => this.#fail(this.#failure ?? new Failure('broken'));
    this.#hurry ||= setTimeout(fail, PATIENCE);
  }

  #endHurry() {
    clearTimeout(this.#hurry);
    this.#hurry = 0;
  }
}
