// Records the microphone to a File, with MediaRecorder.

import { localTimestamp } from '../shared/formats.js';
import { LevelMeter } from '../shared/level-meter.js';

const TYPES = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus'];
const SUFFIX = { 'audio/webm': 'webm', 'audio/mp4': 'm4a', 'audio/ogg': 'ogg' };

/** Why this browser can't record (a message name), or null. */
export function recordingUnavailableReason() {
  if (!window.isSecureContext) return 'mic.insecure';
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return 'mic.unsupported';
  return null;
}

function fileFrom(chunks, type) {
  const plain = type.split(';')[0];
  const name = `recording ${localTimestamp()}.${SUFFIX[plain] ?? 'webm'}`;
  return new File(chunks, name, { type: plain });
}

export class Recorder {
  #chunks = [];
  #stream = null;
  #media = null;
  #meter = null;

  /** Asks for the microphone and starts; throws what the browser throws. */
  async start(canvas, onSilence) {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.#media = new MediaRecorder(this.#stream, mimeType ? { mimeType } : {});
    this.#media.ondataavailable = ({ data }) => data.size && this.#chunks.push(data);
    this.#media.start(1000);
    this.#meter = new LevelMeter(this.#stream, canvas, onSilence);
  }

  /** Calls back if the microphone goes away (unplugged, permission withdrawn). */
  onEnded(listener) {
    this.#stream.getAudioTracks()[0].onended = listener;
  }

  /** Stops and returns the recording, a File. */
  async stop() {
    if (this.#media.state !== 'inactive') {
      const stopped = new Promise((resolve) => { this.#media.onstop = resolve; });
      this.#media.stop();
      await stopped;
    }
    this.#release();
    return fileFrom(this.#chunks, this.#media.mimeType || 'audio/webm');
  }

  discard() {
    if (this.#media.state !== 'inactive') this.#media.stop();
    this.#release();
  }

  #release() {
    this.#meter.stop();
    this.#stream.getTracks().forEach((track) => track.stop());
  }
}
