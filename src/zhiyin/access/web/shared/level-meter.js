// Level meter: a strip of bars that moves while the microphone is open.

const BAR_WIDTH = 3; // CSS pixels
const BAR_PITCH = 5; // CSS pixels from one bar to the next
const INTERVAL = 60; // milliseconds per bar
const SILENCE_PEAK = 0.004; // of full scale
const SILENT_AFTER = 4000; // milliseconds

function peakOf(samples) {
  let peak = 0;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return peak;
}

export class LevelMeter {
  #context = new AudioContext();
  #analyser = this.#context.createAnalyser();
  #samples = new Float32Array(this.#analyser.fftSize);
  #peaks = [];
  #lastSound = performance.now();

  constructor(stream, canvas, onSilence) {
    this.canvas = canvas;
    this.onSilence = onSilence;
    this.#context.createMediaStreamSource(stream).connect(this.#analyser);
    this.timer = setInterval(() => this.#tick(), INTERVAL);
  }

  stop() {
    clearInterval(this.timer);
    this.#context.close();
  }

  #tick() {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    const peak = peakOf(this.#samples);
    const now = performance.now();
    if (peak > SILENCE_PEAK) this.#lastSound = now;
    this.onSilence(now - this.#lastSound > SILENT_AFTER);
    this.#peaks.push(peak);
    this.#draw();
  }

  #draw() {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext('2d');
    pen.scale(scale, scale);
    pen.fillStyle = getComputedStyle(canvas).color;
    this.#peaks = this.#peaks.slice(-Math.ceil(width / BAR_PITCH));
    this.#peaks.forEach((peak, index) => {
      const bar = Math.max(2, Math.min(1, Math.sqrt(peak)) * height);
      const left = width - (this.#peaks.length - index) * BAR_PITCH;
      pen.fillRect(left, (height - bar) / 2, BAR_WIDTH, bar);
    });
  }
}
