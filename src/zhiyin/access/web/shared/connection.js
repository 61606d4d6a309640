// A WebSocket to this server that comes back by itself, waiting longer after every failure.

import { address } from './api.js';

const FIRST_WAIT = 250; // milliseconds
const LONGEST_WAIT = 8000;
const OPENING = 10000; // milliseconds after which an attempt has failed

/** The ws: or wss: address of a path on this server. */
function socketAddress(path) {
  const url = new URL(address(path));
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

export class Link {
  #socket = null;
  #timer = 0;
  #failures = 0;

  /** on: opened(), message(object), lost(failures): how many attempts in a row have failed */
  constructor(path, on) {
    this.path = path;
    this.on = on;
    this.#connect();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Bytes that wait for the network. */
  get backlog() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(data) {
    if (this.isOpen) this.#socket.send(data);
  }

  tell(message) {
    this.send(JSON.stringify(message));
  }

  /** The server has taken us in: the next loss is a new one. */
  settle() {
    this.#failures = 0;
  }

  /** Gives this connection up for a new one. */
  renew() {
    this.#leave();
    this.#lost();
  }

  close() {
    clearTimeout(this.#timer);
    this.#leave();
  }

  #connect() {
    const socket = new WebSocket(socketAddress(this.path));
    const mine = (action) => (event) => this.#socket === socket && action(event);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.renew(), OPENING);
    socket.onopen = mine(() => {
      clearTimeout(this.#timer);
      this.on.opened();
    });
    socket.onmessage = mine(({ data }) => this.on.message(parse(data)));
    socket.onclose = mine(() => this.#lost());
  }

  #leave() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #lost() {
    clearTimeout(this.#timer);
    this.#socket = null;
    this.#failures += 1;
    const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#failures);
    // Spread, so that a restarted server does not meet everybody at the same moment.
    this.#timer = setTimeout(() => this.#connect(), longest * (0.5 + Math.random() / 2));
    this.on.lost(this.#failures);
  }
}
