// Plays the chosen file in the browser, from a local blob address.

const FAR = 1e7; // seconds; a seek past the end makes the browser look for the end

export class Player {
  #address = '';
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

  get address() {
    return this.#address;
  }

  load(file) {
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#measuring = false;
    this.#address = URL.createObjectURL(file);
    this.audio.src = this.#address;
  }

  playFrom(seconds) {
    this.audio.currentTime = seconds;
    this.audio.play().catch(() => {}); // a failure to decode arrives as the error event
  }

  /** Recordings carry no duration: seek far, so that the browser finds it. */
  #measure() {
    if (Number.isFinite(this.audio.duration)) return;
    this.#measuring = true;
    this.audio.currentTime = FAR;
  }

  #measured() {
    if (!this.#measuring || !Number.isFinite(this.audio.duration)) return;
    this.audio.currentTime = 0;
    this.audio.addEventListener('seeked', () => { this.#measuring = false; }, { once: true });
  }
}
