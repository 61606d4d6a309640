// The recording panel: records the microphone and gives a File.

import { announce } from '../shared/announce.js';
import { byId, show } from '../shared/dom.js';
import { microphoneMessage } from '../shared/error-messages.js';
import { clearNotice, notifyMicrophoneProblem } from '../shared/notice.js';
import { startStopwatch } from '../shared/stopwatch.js';
import { Recorder, recordingUnavailableReason } from './recorder.js';

let recorder = null;
let starting = false;
let cancelled = false; // before the browser had opened the microphone
let ticking = 0;

export const isRecording = () => recorder !== null;

function setOpen(open) {
  show(byId('drop'), !open);
  show(byId('recording'), open);
  show(byId('silent'), false);
  byId(open ? 'record-stop' : 'record').focus();
}

/** Closes the panel and returns the recorder, which still runs. */
function close() {
  const finished = recorder;
  recorder = null;
  clearInterval(ticking);
  setOpen(false);
  return finished;
}

export function discardRecording() {
  if (recorder) close().discard();
  else if (starting && !cancelled) cancelStart();
}

function cancelStart() {
  cancelled = true;
  setOpen(false);
}

async function finish(onFile) {
  if (recorder) onFile(await close().stop());
  else discardRecording();
}

async function open(onFile) {
  const fresh = new Recorder();
  setOpen(true); // the canvas needs its size before the meter starts
  try {
    await fresh.start(byId('level'), (silent) => show(byId('silent'), silent));
  } catch (error) {
    if (cancelled) return;
    setOpen(false);
    notifyMicrophoneProblem(microphoneMessage(error));
    return;
  }
  if (cancelled) {
    fresh.discard();
    return;
  }
  recorder = fresh;
  recorder.onEnded(() => finish(onFile));
  ticking = startStopwatch(byId('recorded'));
  announce('rec.started');
}

/** stopRunning: stops what runs now, false if the user keeps it; onFile: gets each recording. */
export function bindRecordingPanel(stopRunning, onFile) {
  byId('record').addEventListener('click', async () => {
    const reason = recordingUnavailableReason();
    if (reason) {
      notifyMicrophoneProblem(reason);
      return;
    }
    if (starting || recorder || !(await stopRunning())) return;
    starting = true;
    cancelled = false;
    clearNotice();
    await open(onFile);
    starting = false;
  });
  byId('record-stop').addEventListener('click', () => finish(onFile));
  byId('record-discard').addEventListener('click', discardRecording);
}
