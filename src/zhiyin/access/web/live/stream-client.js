// Client of /v1/stream, for one live recognition. A lost connection is resumed; when the session
// has expired on the server, a new one starts where the last final result ended.

import { Failure } from '../shared/api.js';
import { Connection } from '../shared/connection.js';
import { AudioSender } from './audio-sender.js';
import { SAMPLE_RATE } from './microphone.js';

const FINISH_TIMEOUT = 15000; // milliseconds to keep trying after the speaker has stopped
// Errors after which a session that had started is worth another connection.
const RETRYABLE = ['overloaded', 'unavailable'];
const ALREADY_ENDED = 'after_eof'; // eof sent again: the first had arrived before the loss

export class StreamClient {
  #session = null;
  #lastEvent = 0; // the number of the newest event received
  #origin = 0; // the position (in samples) where the session's clock began
  #finalEnd = 0; // the position where the last final result ended
  #ready = false; // on this connection
  #started = false; // there was a session, even if it has expired
  #failure = null; // why no more audio is sent; the last results still come
  #finishing = false;
  #deadline = 0;

  /**
   * options: fields of the first message. on: ready(model), partial(partial), final(segment),
   * warned({code, message}), lost(), restarted(): partial results are void, behind(boolean),
   * skipped(seconds), then once done(seconds) or failed(Failure).
   */
  constructor(options, on) {
    this.options = options;
    this.on = on;
    this.connection = new Connection('v1/stream', {
      opened: () => this.connection.sendJson(this.#firstMessage()),
      message: (message) => this.#received(message),
      lost: (failures) => this.#lost(failures),
    });
    this.sender = new AudioSender(this.connection, {
      behind: on.behind,
      skipped: (samples) => this.#skipped(samples),
      sent: () => this.connection.sendJson({ type: 'eof' }),
    });
  }

  send(samples) {
    this.sender.push(samples);
  }

  /** No more audio is sent: `done` follows. */
  finish() {
    this.#finishing = true;
    this.sender.finish();
    if (!this.#ready) this.#startDeadline();
  }

  /** Ends it at once; nothing is called back any more. */
  close() {
    this.#clearDeadline();
    this.sender.stop();
    this.connection.close();
  }

  #firstMessage() {
    if (!this.#session) return { type: 'start', ...this.options };
    return { type: 'resume', session_id: this.#session, last_event: this.#lastEvent };
  }

  #received(message) {
    if (message.event) this.#lastEvent = Math.max(this.#lastEvent, message.event);
    const shift = this.#origin / SAMPLE_RATE;
    if (message.type === 'ready') this.#begin(message);
    else if (message.type === 'partial') this.on.partial(message);
    else if (message.type === 'final') this.#final(message, shift);
    else if (message.type === 'warning') this.on.warned(message);
    else if (message.type === 'error') this.#rejected(message.error);
    else if (message.type === 'done') this.#done(message.received_s + shift);
  }

  #begin({ session_id: session, model, received_s: received = 0 }) {
    this.#session = session;
    this.#ready = true;
    this.#started = true;
    this.#clearDeadline();
    this.connection.resetBackoff();
    this.on.ready(model);
    this.sender.resume(this.#origin + Math.round(received * SAMPLE_RATE));
  }

  #final(message, shift) {
    const [start, end] = [message.start + shift, message.end + shift];
    this.#finalEnd = Math.round(end * SAMPLE_RATE);
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

  #rejected(error) {
    const failure = new Failure('stream', error);
    if (this.#started && RETRYABLE.includes(error.code)) this.connection.reconnect();
    else if (this.#session && !this.#ready) this.#restart();
    else if (!this.#ready) this.#fail(failure);
    else if (error.code !== ALREADY_ENDED) this.#stopSending(failure);
  }

  /** The server takes no more audio, but still sends the results of what it has. */
  #stopSending(failure) {
    this.#failure = failure;
    this.sender.stop();
    this.#startDeadline();
  }

  /** Sends the audio after the last final result, as far as it is buffered, to a new session. */
  #restart() {
    this.#session = null;
    this.#lastEvent = 0;
    this.#origin = Math.max(this.#finalEnd, this.sender.span[0]);
    this.on.restarted();
    this.connection.resetBackoff(); // the server is reachable: what failed was the session
    this.connection.reconnect();
  }

  #lost(failures) {
    this.#ready = false;
    this.sender?.pause();
    if (this.#failure || (!this.#started && failures > 1)) {
      this.#fail(this.#failure ?? new Failure('broken'));
      return;
    }
    if (this.#finishing) this.#startDeadline();
    else this.on.lost();
  }

  #skipped(samples) {
    this.#origin += samples;
    this.on.skipped(samples / SAMPLE_RATE);
  }

  /** Limits the wait for the last results. */
  #startDeadline() {
    const fail = () => this.#fail(this.#failure ?? new Failure('broken'));
    this.#deadline ||= setTimeout(fail, FINISH_TIMEOUT);
  }

  #clearDeadline() {
    clearTimeout(this.#deadline);
    this.#deadline = 0;
  }
}
