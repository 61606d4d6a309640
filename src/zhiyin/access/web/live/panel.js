// The panel of live text: the microphone goes to the server while its text comes back.

import { Failure } from '../shared/api.js';
import { refuseMicrophone, startClock } from '../transcribe/recording-panel.js';
import { byId, show } from '../shared/dom.js';
import { detailOf, microphoneTrouble, titleOf } from '../shared/error-messages.js';
import { stampNow, toText } from '../shared/formats.js';
import { say } from '../shared/i18n.js';
import { Meter } from '../shared/level-meter.js';
import { liveObstacle, Microphone } from './microphone.js';
import { clearNotice, notify } from '../shared/notice.js';
import { currentOptions, currentRoom, currentScript } from '../shared/options.js';
import { announce } from '../transcribe/progress.js';
import {
  addSettled, finishResult, keepPartial, openLive, revealResult, unsettled,
} from '../shared/result-panel.js';
import { captionsAddress, isRoom } from '../captions/rooms.js';
import { Speaker } from './caption-speaker.js';
import { Stream } from './stream-client.js';
import { copyWith } from '../shared/export.js';

let session = null; // { microphone, meter, wire, ticking, segments, warnings, model, lost }
let starting = false;
let unwanted = false; // given up before the browser had let us at the microphone

export const isLive = () => session !== null;

function setOpen(open) {
  show(byId('drop'), !open);
  show(byId('live'), open);
  for (const id of ['live-silent', 'live-state', 'live-captions']) show(byId(id), false);
  document.body.classList.toggle('speaking', open);
  say(byId('live-stop'), 'live.stop');
  byId(open ? 'live-stop' : 'speak').focus({ preventScroll: true });
}

/** A line below the meter; without a name it goes. */
function setState(name, fields) {
  show(byId('live-state'), Boolean(name));
  if (name) say(byId('live-state'), name, fields);
}

/** Ends the session without waiting; gives it. */
function close() {
  const ended = session;
  session = null;
  ended.meter?.stop();
  clearInterval(ended.ticking);
  ended.wire.close();
  ended.microphone.release();
  setOpen(false);
  return ended;
}

export function discardLive() {
  if (session) close();
  else if (starting && !unwanted) giveUp();
}

function giveUp() {
  unwanted = true;
  setOpen(false);
}

async function failed(failure) {
  close();
  keepPartial();
  await tell(failure);
}

async function tell(failure) {
  const title = await titleOf(failure);
  if (!session) notify({ title, detail: detailOf(failure, title), wait: failure.wait });
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

function settled(final) {
  const { segment_id, text, start, end, words, language, confidence } = final;
  const segment = { id: session.segments.length, start, end, text: text.trim(), language, confidence };
  if (words?.length) segment.words = words;
  if (segment.text) session.segments.push(segment);
  addSettled({ segment_id, ...segment });
}

function skipped(seconds) {
  session.lost += seconds;
  const fields = { seconds: () => Math.ceil(session?.lost ?? 0) };
  const warning = { code: 'audio_lost', message: '' };
  if (!session.warnings.some(({ code }) => code === warning.code)) session.warnings.push(warning);
  setState('live.skipped', fields);
}

function warned({ code, message }) {
  if (code === 'partials_resumed') setState(null);
  else setState(`server.${code}`, { message });
}

function listener() {
  return {
    ready: (model) => {
      session.model = model;
      setState(null);
    },
    partial: (partial) => unsettled.show(partial),
    final: settled,
    warned,
    lost: () => setState('live.lost'),
    restarted: () => unsettled.clear(),
    behind: (behind) => setState(behind ? 'live.behind' : null),
    skipped,
    done,
    failed,
  };
}

function wireTo(room) {
  const { language, model, prompt, words } = currentOptions();
  const script = currentScript();
  if (room) return new Speaker(room, { language, model, script }, listener());
  const options = { language, model, prompt, words, script };
  const wanted = Object.entries(options).filter(([, value]) => value);
  const sound = { sample_rate: 16000, encoding: 's16le', partials: true };
  return new Stream({ ...Object.fromEntries(wanted), ...sound }, listener());
}

function showCaptions(room) {
  const link = byId('live-link');
  link.href = captionsAddress(room);
  link.textContent = link.href;
  show(byId('live-captions'), Boolean(room));
}

async function stop() {
  const { microphone, wire, ticking, meter } = session;
  if (session.stopping) { // the second press: what has not come is given up
    close();
    keepPartial();
    return;
  }
  session.stopping = true;
  say(byId('live-stop'), 'live.leave');
  clearInterval(ticking);
  meter.stop();
  session.meter = null;
  await microphone.stop();
  if (session?.wire !== wire) return; // it failed meanwhile
  setState('live.finishing');
  wire.finish();
}

async function open(room) {
  const microphone = new Microphone();
  setOpen(true); // the canvas needs its size before the meter starts
  try {
    await microphone.start((samples) => session?.wire.send(samples));
  } catch (error) {
    if (unwanted) return;
    setOpen(false);
    if (error instanceof Failure) await tell(error);
    else refuseMicrophone(microphoneTrouble(error));
    return;
  }
  if (unwanted) microphone.release();
  else begin(microphone, room);
}

function begin(microphone, room) {
  document.body.classList.add('working');
  openLive(stampNow());
  session = { microphone, segments: [], warnings: [], model: '', lost: 0 };
  session.wire = wireTo(room);
  session.ticking = startClock(byId('live-time'));
  session.meter = new Meter(microphone.stream, byId('live-level'), (silent) => {
    show(byId('live-silent'), silent);
  });
  microphone.onEnded(() => session && !session.stopping && stop());
  setState('live.connecting');
  showCaptions(room);
  announce('live.started');
}

async function start(mayStart) {
  const obstacle = liveObstacle();
  const room = currentRoom();
  if (obstacle) refuseMicrophone(obstacle);
  else if (room && !isRoom(room)) notify({ title: 'room.bad', detail: { name: 'room.hint' } });
  else if (!starting && !session && (await mayStart())) {
    starting = true;
    unwanted = false;
    clearNotice();
    await open(room);
    starting = false;
  }
}

/** mayStart: asks whether what runs now may be replaced. */
export function bindLive(mayStart) {
  byId('speak').addEventListener('click', () => start(mayStart));
  byId('live-stop').addEventListener('click', () => (session ? stop() : discardLive()));
  byId('live-copy').addEventListener('click', ({ currentTarget }) => {
    copyWith(currentTarget, byId('live-link').href);
  });
}
