// Client of /ws/subtitle as speaker: sends audio to a caption room and receives its captions.

import { fetchFinalCaptions, socketPath } from '../captions/rooms.js';
import { Failure } from '../shared/api.js';
import { Connection } from '../shared/connection.js';
import { AudioSender } from './audio-sender.js';
import { SAMPLE_RATE } from './microphone.js';

const PARAMETERS = { role: 'speaker', sample_rate: SAMPLE_RATE, encoding: 's16le' };
const MAX_START_DELAY = 2; // seconds that a caption's start may lie after its first words
const FINISH_TIMEOUT = 15000; // milliseconds to keep trying after the speaker has stopped
// Errors after which to reconnect: the room may still be held by the connection before.
const RETRYABLE = ['overloaded', 'unavailable', 'room_taken'];
const RETRY_TIMEOUT = 60000; // milliseconds of such errors after which it fails

/** A caption in the form of a partial result of live recognition. */
const partialFrom = ({ id, text, stable = '' }) => ({
  segment_id: id,
  stable,
  unstable: text.startsWith(stable) ? text.slice(stable.length) : text,
});

export class CaptionSpeaker {
  #connections = 0;
  #sending = false; // on this connection
  #origin = 0; // the position (in samples) where this connection's clock began
  #finalEnd = 0; // the position where the last final caption ended
  #partialStart = null; // the position where the caption that may still change starts
  #lastFinalId = Infinity;
  #rejectedSince = null; // milliseconds, of performance.now()
  #finishing = false;
  #deadline = 0;

  /** options: language and model, or ''. on: as in stream-client.js. */
  constructor(room, options, on) {
    this.room = room;
    this.model = options.model;
    this.on = on;
    this.connection = new Connection(socketPath(room, { ...PARAMETERS, ...options }), {
      opened: () => this.#begin(),
      message: (message) => this.#received(message),
      lost: (failures) => this.#lost(failures),
    });
    this.sender = new AudioSender(this.connection, {
      behind: on.behind,
      skipped: (samples) => on.skipped(samples / SAMPLE_RATE),
      sent: () => this.connection.sendJson({ type: 'eof' }),
    });
  }

  send(samples) {
    this.sender.push(samples);
  }

  finish() {
    this.#finishing = true;
    this.sender.finish();
    if (!this.#sending) this.#startDeadline();
  }

  close() {
    this.#clearDeadline();
    this.sender.stop();
    this.connection.close();
  }

  async #begin() {
    this.#connections += 1;
    const connection = this.#connections;
    if (connection > 1) {
      const finals = await fetchFinalCaptions(this.room);
      if (connection !== this.#connections || !this.connection.isOpen) return;
      const missed = finals.filter(({ id }) => id > this.#lastFinalId);
      missed.forEach((caption) => this.#caption(caption));
      this.on.restarted();
    }
    this.#clearDeadline();
    this.#sending = true;
    this.#partialStart = null;
    this.#origin = Math.max(this.#finalEnd, this.sender.next);
    this.on.ready(this.model);
    this.sender.resume(this.#origin);
  }

  #received(message) {
    if (message.type === 'caption') this.#caption(message);
    else if (message.type === 'warning') this.on.warned(message);
    else if (message.type === 'error') this.#rejected(message.error);
    else if (message.type === 'end') this.#done();
  }

  #caption(caption) {
    const shift = this.#origin / SAMPLE_RATE;
    const times = { start: caption.start + shift, end: caption.end + shift };
    this.connection.resetBackoff();
    this.#rejectedSince = null;
    this.#lastFinalId = caption.final ? caption.id : caption.id - 1;
    if (caption.final) {
      this.#finalEnd = Math.round(times.end * SAMPLE_RATE);
      this.#partialStart = null;
      this.on.final({ ...caption, ...times, segment_id: caption.id });
    } else {
      this.#partialStart ??= Math.round(times.start * SAMPLE_RATE);
      this.on.partial(partialFrom(caption));
    }
  }

  #rejected(error) {
    this.#rejectedSince ??= performance.now();
    const retryable = this.#connections > 1 && RETRYABLE.includes(error.code);
    const waited = performance.now() - this.#rejectedSince;
    if (retryable && waited < RETRY_TIMEOUT) this.connection.reconnect();
    else this.#fail(new Failure('stream', error));
  }

  #lost(failures) {
    this.sender.pause();
    if (this.#sending) this.#rewind();
    this.#sending = false;
    if (!this.#connections && failures > 1) this.#fail(new Failure('broken'));
    else if (this.#finishing) this.#startDeadline();
    else this.on.lost();
  }

  /** Audio without final captions is sent again. */
  #rewind() {
    const unfinished = this.#partialStart ?? this.sender.next;
    this.sender.rewind(Math.max(this.#finalEnd, unfinished - MAX_START_DELAY * SAMPLE_RATE));
  }

  /** Limits the wait for the last results. */
  #startDeadline() {
    this.#deadline ||= setTimeout(() => this.#fail(new Failure('broken')), FINISH_TIMEOUT);
  }

  #clearDeadline() {
    clearTimeout(this.#deadline);
    this.#deadline = 0;
  }

  #done() {
    const [, end] = this.sender.span;
    this.close();
    this.on.done(end / SAMPLE_RATE);
  }

  #fail(failure) {
    this.close();
    this.on.failed(failure);
  }
}
