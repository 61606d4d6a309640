// A WebSocket to this server that reconnects by itself, with exponential backoff and jitter.

import { serverUrl } from './api.js';

const FIRST_BACKOFF = 250; // milliseconds
const MAX_BACKOFF = 8000; // milliseconds
const OPEN_TIMEOUT = 10000; // milliseconds after which an attempt has failed

/** The ws: or wss: URL of a path on this server. */
function socketUrl(path) {
  const url = new URL(serverUrl(path));
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return {};
  }
}

export class Connection {
  #socket = null;
  #timer = 0;
  #failures = 0;

  /** on: opened(), message(object), lost(failures): how many attempts in a row have failed */
  constructor(path, on, protocols = []) {
    this.path = path;
    this.on = on;
    this.protocols = protocols;
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Bytes that were not yet sent to the network. */
  get bufferedBytes() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(data) {
    if (this.isOpen) this.#socket.send(data);
  }

  sendJson(message) {
    this.send(JSON.stringify(message));
  }

  /** To be called when the server has accepted the client: the next loss starts a new backoff. */
  resetBackoff() {
    this.#failures = 0;
  }

  /** Drops the connection and opens another after the backoff. */
  reconnect() {
    this.#drop();
    this.#lost();
  }

  close() {
    clearTimeout(this.#timer);
    this.#drop();
  }

  #connect() {
    const socket = new WebSocket(socketUrl(this.path), this.protocols);
    const current = (action) => (event) => this.#socket === socket && action(event);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.reconnect(), OPEN_TIMEOUT);
    socket.onopen = current(() => {
      clearTimeout(this.#timer);
      this.on.opened();
    });
    socket.onmessage = current(({ data }) => this.on.message(parse(data)));
    socket.onclose = current(() => this.#lost());
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #lost() {
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#failures += 1;
    const backoff = Math.min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** this.#failures);
    // Jitter, so that a restarted server does not get all clients at the same moment.
    this.#timer = setTimeout(() => this.#connect(), backoff * (0.5 + Math.random() / 2));
    this.on.lost(this.#failures);
  }
}
