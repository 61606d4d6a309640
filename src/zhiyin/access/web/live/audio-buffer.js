// The newest audio with its place in the whole, so that what a lost connection took can go again.

export class Tape {
  #chunks = []; // { start, samples }
  end = 0;

  /** limit: samples that are kept */
  constructor(limit) {
    this.limit = limit;
  }

  /** The place of the oldest sample that is still here. */
  get first() {
    return this.#chunks[0]?.start ?? this.end;
  }

  push(samples) {
    this.#chunks.push({ start: this.end, samples });
    this.end += samples.length;
    while (this.end - this.first > this.limit) this.#chunks.shift();
  }

  /** The samples from a place to the end of the chunk that holds it. */
  from(place) {
    const chunk = this.#chunks.findLast(({ start }) => start <= place);
    return chunk.samples.subarray(place - chunk.start);
  }
}
