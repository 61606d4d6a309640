// Reads server-sent events out of a text that grows.

const BLANK_LINE = /\r?\n\r?\n/;

function parse(block) {
  const lines = block.split(/\r?\n/).filter((line) => line.startsWith('data:'));
  if (!lines.length) return null; // a comment: the server keeps the connection alive
  try {
    return JSON.parse(lines.map((line) => line.slice(5)).join('\n'));
  } catch {
    return null;
  }
}

export class EventReader {
  #seen = 0;
  #rest = '';

  /** Whether anything has come. */
  get started() {
    return this.#seen > 0;
  }

  /** The events that are complete in `text` and were not before. */
  take(text) {
    const fresh = text.slice(this.#seen);
    this.#seen = text.length;
    const blocks = (this.#rest + fresh).split(BLANK_LINE);
    this.#rest = blocks.pop();
    return blocks.map(parse).filter((event) => event !== null);
  }
}
