// The live panel: sends the microphone's audio to the server and shows partial and final results.

import { captionsUrl, isRoomName } from '../captions/rooms.js';
import { announce } from '../shared/announce.js';
import { Failure } from '../shared/api.js';
import { byId, show } from '../shared/dom.js';
import { errorDetail, errorTitle, microphoneMessage } from '../shared/error-messages.js';
import { copyToClipboard } from '../shared/export.js';
import { localTimestamp, toText } from '../shared/formats.js';
import { setMessage } from '../shared/i18n.js';
import { LevelMeter } from '../shared/level-meter.js';
import { clearNotice, notify, notifyMicrophoneProblem } from '../shared/notice.js';
import { currentOptions, currentRoom } from '../shared/options.js';
import {
  addFinal, finishResult, keepPartial, openLiveResult, partialText, revealResult,
} from '../shared/result-panel.js';
import { startStopwatch } from '../shared/stopwatch.js';
import { CaptionSpeaker } from './caption-speaker.js';
import { liveUnavailableReason, Microphone } from './microphone.js';
import { StreamClient } from './stream-client.js';

let session = null; // { microphone, meter, client, ticking, segments, warnings, model, skipped }
let starting = false;
let cancelled = false; // before the browser had opened the microphone

export const isLive = () => session !== null;

function setOpen(open) {
  show(byId('drop'), !open);
  show(byId('live'), open);
  for (const id of ['live-silent', 'live-state', 'live-captions']) show(byId(id), false);
  document.body.classList.toggle('speaking', open);
  setMessage(byId('live-stop'), 'live.stop');
  byId(open ? 'live-stop' : 'speak').focus({ preventScroll: true });
}

/** The line below the meter; hidden without a name. */
function setState(name, fields) {
  show(byId('live-state'), Boolean(name));
  if (name) setMessage(byId('live-state'), name, fields);
}

/** Ends the session without waiting for results, and returns it. */
function close() {
  const ended = session;
  session = null;
  ended.meter?.stop();
  clearInterval(ended.ticking);
  ended.client.close();
  ended.microphone.release();
  setOpen(false);
  return ended;
}

export function discardLive() {
  if (session) close();
  else if (starting && !cancelled) cancelStart();
}

function cancelStart() {
  cancelled = true;
  setOpen(false);
}

async function failed(failure) {
  close();
  keepPartial();
  await notifyFailure(failure);
}

async function notifyFailure(failure) {
  const title = await errorTitle(failure);
  if (!session) notify({ title, detail: errorDetail(failure, title), wait: failure.wait });
}

function done(duration) {
  const { segments, warnings, model } = close();
  const languages = new Set(segments.map(({ language }) => language));
  const language = languages.size === 1 ? segments[0].language : null;
  const text = toText(segments).trim();
  finishResult({ text, language, duration, model, segments, warnings }, 0);
  announce('job.finished');
  revealResult();
}

function addFinalSegment(final) {
  const { segment_id, text, start, end, words, language, confidence } = final;
  const id = session.segments.length;
  const segment = { id, start, end, text: text.trim(), language, confidence };
  if (words?.length) segment.words = words;
  if (segment.text) session.segments.push(segment);
  addFinal({ segment_id, ...segment });
}

function skipped(seconds) {
  session.skipped += seconds;
  const fields = { seconds: () => Math.ceil(session?.skipped ?? 0) };
  const warning = { code: 'audio_lost', message: '' };
  if (!session.warnings.some(({ code }) => code === warning.code)) session.warnings.push(warning);
  setState('live.skipped', fields);
}

function warned({ code, message }) {
  if (code === 'partials_resumed') setState(null);
  else setState(`server.${code}`, { message });
}

function callbacks() {
  return {
    ready: (model) => {
      session.model = model;
      setState(null);
    },
    partial: (partial) => partialText.show(partial),
    final: addFinalSegment,
    warned,
    lost: () => setState('live.lost'),
    restarted: () => partialText.clear(),
    behind: (behind) => setState(behind ? 'live.behind' : null),
    skipped,
    done,
    failed,
  };
}

function openClient(room) {
  const { language, model, prompt, words, script } = currentOptions();
  if (room) return new CaptionSpeaker(room, { language, model, script }, callbacks());
  const options = { language, model, prompt, words, script };
  const wanted = Object.entries(options).filter(([, value]) => value);
  const audio = { sample_rate: 16000, encoding: 's16le', partials: true };
  return new StreamClient({ ...Object.fromEntries(wanted), ...audio }, callbacks());
}

function showCaptions(room) {
  const link = byId('live-link');
  link.href = captionsUrl(room);
  link.textContent = link.href;
  show(byId('live-captions'), Boolean(room));
}

async function stop() {
  const { microphone, client, ticking, meter } = session;
  if (session.stopping) { // the second press: the last results are not waited for
    close();
    keepPartial();
    return;
  }
  session.stopping = true;
  setMessage(byId('live-stop'), 'live.leave');
  clearInterval(ticking);
  meter.stop();
  session.meter = null;
  await microphone.stop();
  if (session?.client !== client) return; // it failed meanwhile
  setState('live.finishing');
  client.finish();
}

async function open(room) {
  const microphone = new Microphone();
  setOpen(true); // the canvas needs its size before the meter starts
  try {
    await microphone.start((samples) => session?.client.send(samples));
  } catch (error) {
    if (cancelled) return;
    setOpen(false);
    if (error instanceof Failure) await notifyFailure(error);
    else notifyMicrophoneProblem(microphoneMessage(error));
    return;
  }
  if (cancelled) microphone.release();
  else begin(microphone, room);
}

function begin(microphone, room) {
  document.body.classList.add('working');
  openLiveResult(localTimestamp());
  session = { microphone, segments: [], warnings: [], model: '', skipped: 0 };
  session.client = openClient(room);
  session.ticking = startStopwatch(byId('live-time'));
  session.meter = new LevelMeter(microphone.stream, byId('live-level'), (silent) => {
    show(byId('live-silent'), silent);
  });
  microphone.onEnded(() => session && !session.stopping && stop());
  setState('live.connecting');
  showCaptions(room);
  announce('live.started');
}

async function start(stopRunning) {
  const reason = liveUnavailableReason();
  const room = currentRoom();
  if (reason) notifyMicrophoneProblem(reason);
  else if (room && !isRoomName(room)) notify({ title: 'room.bad', detail: { name: 'room.hint' } });
  else if (!starting && !session && (await stopRunning())) {
    starting = true;
    cancelled = false;
    clearNotice();
    await open(room);
    starting = false;
  }
}

/** stopRunning: stops what runs now, false if the user keeps it. */
export function bindLivePanel(stopRunning) {
  byId('speak').addEventListener('click', () => start(stopRunning));
  byId('live-stop').addEventListener('click', () => (session ? stop() : discardLive()));
  byId('live-copy').addEventListener('click', ({ currentTarget }) => {
    copyToClipboard(currentTarget, byId('live-link').href);
  });
}
