// Plays the chosen file in the browser, from a local blob URL.

const PAST_END = 1e7; // seconds; a seek past the end makes the browser look for the end

export class Player {
  #url = '';
  #measuring = false;

  /** on: time(seconds), unplayable() */
  constructor(audio, on) {
    this.audio = audio;
    audio.addEventListener('loadedmetadata', () => this.#measure());
    audio.addEventListener('durationchange', () => this.#measured());
    audio.addEventListener('error', () => audio.getAttribute('src') && on.unplayable());
    for (const name of ['timeupdate', 'seeked']) {
      audio.addEventListener(name, () => this.#measuring || on.time(audio.currentTime));
    }
  }

  get url() {
    return this.#url;
  }

  load(file) {
    if (this.#url) URL.revokeObjectURL(this.#url);
    this.#measuring = false;
    this.#url = URL.createObjectURL(file);
    this.audio.src = this.#url;
  }

  playFrom(seconds) {
    this.audio.currentTime = seconds;
    this.audio.play().catch(() => {}); // a failure to decode arrives as the error event
  }

  /** Recordings carry no duration: seek far, so that the browser finds it. */
  #measure() {
    if (Number.isFinite(this.audio.duration)) return;
    this.#measuring = true;
    this.audio.currentTime = PAST_END;
  }

  #measured() {
    if (!this.#measuring || !Number.isFinite(this.audio.duration)) return;
    this.audio.currentTime = 0;
    this.audio.addEventListener('seeked', () => { this.#measuring = false; }, { once: true });
  }
}
