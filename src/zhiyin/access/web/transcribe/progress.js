// The panel of the running job: what stage it is at, how far, how long still.

import { byId, show } from '../shared/dom.js';
import { clock, megabytes } from '../shared/formats.js';
import { say, sayPlain, t } from '../shared/i18n.js';

const TELLING = 4; // seconds of work before an estimate of the rest means something

const panel = byId('job');
const bar = byId('bar');
const stage = byId('stage');
const left = byId('left');
let began = 0;

function setBar(fraction) {
  if (fraction === null) bar.removeAttribute('value');
  else bar.value = fraction;
  const percent = fraction === null ? '' : `${Math.round(fraction * 100)}% · `;
  document.title = `${percent}${t('page.title')}`;
}

export function openProgress(name) {
  sayPlain(byId('job-name'), name);
  sayPlain(left, '');
  show(panel);
  panel.scrollIntoView({ block: 'nearest' });
}

export function closeProgress() {
  if (panel.contains(document.activeElement)) byId('result-title').focus({ preventScroll: true });
  show(panel, false);
  document.title = t('page.title');
}

export function showUpload(sent, total) {
  const fields = { sent: megabytes(sent), total: megabytes(total) };
  say(stage, 'job.uploading', fields);
  setBar(total ? sent / total : null);
}

export function showWaiting() {
  began = performance.now();
  say(stage, 'job.waiting');
  setBar(null);
}

function showLeft(done, duration) {
  const worked = (performance.now() - began) / 1000;
  const rest = (worked * (duration - done)) / done;
  if (done <= 0 || worked < TELLING) return;
  say(left, 'job.left', { time: clock(Math.ceil(rest)) });
}

export function showHeard(seconds, duration) {
  if (duration === null) {
    say(stage, 'job.heardSome', { done: clock(seconds) });
    setBar(null);
    return;
  }
  const done = Math.min(seconds, duration);
  say(stage, 'job.heard', { done: clock(done), total: clock(duration) });
  setBar(duration ? done / duration : null);
  showLeft(done, duration);
}

/** Tells screen readers, without showing it. */
export function announce(name, fields) {
  say(byId('status'), name, fields);
}
