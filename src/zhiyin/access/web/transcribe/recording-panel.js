// The recording panel: microphone in, File out.

import { byId, show } from '../shared/dom.js';
import { microphoneTrouble } from '../shared/error-messages.js';
import { clock } from '../shared/formats.js';
import { clearNotice, notify } from '../shared/notice.js';
import { announce } from './progress.js';
import { Recorder, recordingObstacle } from './recorder.js';

let recorder = null;
let starting = false;
let unwanted = false; // given up before the browser had let us at the microphone
let ticking = 0;

export const isRecording = () => recorder !== null;

export function refuseMicrophone(name) {
  notify({ title: 'mic.title', detail: { name } });
}

function setOpen(open) {
  show(byId('drop'), !open);
  show(byId('recording'), open);
  show(byId('silent'), false);
  byId(open ? 'record-stop' : 'record').focus();
}

/** Counts the seconds from now in a node; gives what clearInterval takes. */
export function startClock(node) {
  const began = Date.now();
  const tick = () => { node.textContent = clock((Date.now() - began) / 1000); };
  tick();
  return setInterval(tick, 250);
}

/** Gives up the panel and returns the recorder that was at work. */
function close() {
  const finished = recorder;
  recorder = null;
  clearInterval(ticking);
  setOpen(false);
  return finished;
}

export function discardRecording() {
  if (recorder) close().discard();
  else if (starting && !unwanted) giveUp();
}

function giveUp() {
  unwanted = true;
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
    if (unwanted) return;
    setOpen(false);
    refuseMicrophone(microphoneTrouble(error));
    return;
  }
  if (unwanted) {
    fresh.discard();
    return;
  }
  recorder = fresh;
  recorder.onEnded(() => finish(onFile));
  ticking = startClock(byId('recorded'));
  announce('rec.started');
}

/** mayStart: asks whether what runs now may be replaced; onFile: gets each recording. */
export function bindCapture(mayStart, onFile) {
  byId('record').addEventListener('click', async () => {
    const obstacle = recordingObstacle();
    if (obstacle) {
      refuseMicrophone(obstacle);
      return;
    }
    if (starting || recorder || !(await mayStart())) return;
    starting = true;
    unwanted = false;
    clearNotice();
    await open(onFile);
    starting = false;
  });
  byId('record-stop').addEventListener('click', () => finish(onFile));
  byId('record-discard').addEventListener('click', discardRecording);
}
