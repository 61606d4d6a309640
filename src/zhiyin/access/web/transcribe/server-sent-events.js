// Parser of server-sent events, for a response text that grows.

const BLANK_LINE = /\r?\n\r?\n/;

function parse(block) {
  const lines = block.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  if (!lines.length) return null; // a comment, sent as keep-alive
  try {
    return JSON.parse(lines.map((line) => line.slice(5)).join('\n'));
  } catch {
    return null;
  }
}

export class EventStreamParser {
  #seen = 0;
  #rest = '';

  /** Whether anything has been received. */
  get started() {
    return this.#seen > 0;
  }

  /** The events that this text, the whole response so far, completes. */
  newEvents(text) {
    const fresh = text.slice(this.#seen);
    this.#seen = text.length;
    const blocks = (this.#rest + fresh).split(BLANK_LINE);
    this.#rest = blocks.pop();
    return blocks.map(parse).filter((event) => event !== null);
  }
}
