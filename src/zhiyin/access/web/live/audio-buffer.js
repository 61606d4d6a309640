// Bounded buffer of the newest audio, so that audio lost with a connection can be sent again.
// Positions count samples since the start of the recording.

export class AudioBuffer {
  #chunks = []; // { start, samples }
  end = 0; // the position after the newest sample

  /** capacity: samples that are kept */
  constructor(capacity) {
    this.capacity = capacity;
  }

  /** The position of the oldest sample that is still kept. */
  get first() {
    return this.#chunks[0]?.start ?? this.end;
  }

  push(samples) {
    this.#chunks.push({ start: this.end, samples });
    this.end += samples.length;
    while (this.end - this.first > this.capacity) this.#chunks.shift();
  }

  /** The samples from a position to the end of the chunk that holds it. */
  from(position) {
    const chunk = this.#chunks.findLast(({ start }) => start <= position);
    return chunk.samples.subarray(position - chunk.start);
  }
}
