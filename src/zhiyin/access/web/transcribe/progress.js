// The progress panel of the running job: its stage, how far it is, the estimated time left.

import { byId, show } from '../shared/dom.js';
import { clock, megabytes } from '../shared/formats.js';
import { setMessage, setText, t } from '../shared/i18n.js';

const ESTIMATE_AFTER = 4; // seconds of processing before the estimate means something

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
  setText(byId('job-name'), name);
  setText(left, '');
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
  setMessage(stage, 'job.uploading', fields);
  setBar(total ? sent / total : null);
}

export function showWaiting() {
  began = performance.now();
  setMessage(stage, 'job.waiting');
  setBar(null);
}

function showLeft(done, duration) {
  const elapsed = (performance.now() - began) / 1000;
  const rest = (elapsed * (duration - done)) / done;
  if (done <= 0 || elapsed < ESTIMATE_AFTER) return;
  setMessage(left, 'job.left', { time: clock(Math.ceil(rest)) });
}

export function showProcessed(seconds, duration) {
  if (duration === null) {
    setMessage(stage, 'job.processedSome', { done: clock(seconds) });
    setBar(null);
    return;
  }
  const done = Math.min(seconds, duration);
  setMessage(stage, 'job.processed', { done: clock(done), total: clock(duration) });
  setBar(duration ? done / duration : null);
  showLeft(done, duration);
}
