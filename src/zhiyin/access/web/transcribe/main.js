// Ties the page together: one recording at a time, from the file to its transcript.

import { listModels, recognize } from '../shared/api.js';
import { bindCapture, discardRecording, isRecording } from './recording-panel.js';
import { byId, show } from '../shared/dom.js';
import { detailOf, titleOf } from '../shared/error-messages.js';
import { onLanguage, render, say, switchLanguage, t } from '../shared/i18n.js';
import { bindIntake } from './file-input.js';
import { bindLive, discardLive, isLive } from '../live/panel.js';
import { askReplace, bindNotice, clearNotice, notify } from '../shared/notice.js';
import { bindOptions, currentOptions, setModels } from '../shared/options.js';
import * as progress from './progress.js';
import {
  addSegment, bindResult, finishResult, keepPartial, openResult, revealResult,
} from '../shared/result-panel.js';
import { bindSnippets, fillSnippets } from './code-snippets.js';
import { recallKey, rememberKey } from '../shared/storage.js';
import { bindTheme } from '../shared/theme-switch.js';

let source = null; // { file, recorded } of the last job
let cancelJob = null; // set while a job runs
let afterKey = null; // what a new API key is for

function endJob() {
  cancelJob = null;
  progress.closeProgress();
}

function finished(result, began) {
  endJob();
  finishResult(result, (performance.now() - began) / 1000);
  progress.announce('job.finished');
  revealResult();
}

function askKey(then) {
  afterKey = then;
  say(byId('key-title'), recallKey() ? 'key.wrong' : 'key.title');
  show(byId('key-form'));
  byId('key').focus();
}

async function failed(failure) {
  endJob();
  keepPartial();
  if (failure.status === 401) {
    askKey(restart);
    return;
  }
  const title = await titleOf(failure);
  if (cancelJob) return; // a new job has begun meanwhile
  const again = failure.status === 413 ? null : restart;
  notify({ title, detail: detailOf(failure, title), again, wait: failure.wait });
}

function cancelled() {
  cancelJob();
  endJob();
  const title = keepPartial() ? 'job.cancelledSome' : 'job.cancelled';
  notify({ tone: 'calm', title, again: restart });
  byId('notice-retry').focus();
}

function start(file, recorded) {
  source = { file, recorded };
  clearNotice();
  document.body.classList.add('working');
  show(byId('key-form'), false);
  openResult(file, recorded);
  progress.openProgress(file.name);
  progress.showUpload(0, file.size);
  progress.announce('job.started', { name: file.name });
  const began = performance.now();
  cancelJob = recognize(file, currentOptions(), {
    uploaded: progress.showUpload,
    sent: progress.showWaiting,
    progress: progress.showHeard,
    segment: addSegment,
    done: (result) => finished(result, began),
    failed,
  });
}

function restart() {
  if (!cancelJob) start(source.file, source.recorded);
}

/** True when nothing runs, or what runs may be stopped for something new (and was). */
async function mayStart() {
  if (cancelJob && !(await askReplace('ask.job', { name: source.file.name }))) return false;
  if (isRecording() && !(await askReplace('ask.recording'))) return false;
  if (isLive() && !(await askReplace('ask.live'))) return false;
  cancelJob?.();
  if (cancelJob) endJob();
  discardRecording();
  discardLive();
  return true;
}

async function chosen(file, several) {
  if (file.size === 0) {
    const detail = { name: 'error.emptyHint', fields: { name: file.name } };
    notify({ title: 'error.empty', detail });
    return;
  }
  if (!(await mayStart())) return;
  start(file, false);
  if (several) notify({ tone: 'calm', title: 'error.several', fields: { name: file.name } });
}

async function loadModels() {
  try {
    setModels(await listModels());
  } catch (failure) {
    if (failure.status === 401) askKey(loadModels);
  }
  fillSnippets(byId('model').value);
}

function bindKey() {
  byId('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    rememberKey(byId('key').value.trim());
    byId('key').value = '';
    show(byId('key-form'), false);
    const then = afterKey;
    loadModels();
    if (then !== loadModels) then();
  });
}

function bindAll() {
  bindOptions();
  bindNotice();
  bindResult();
  bindSnippets();
  bindKey();
  bindIntake(chosen);
  bindCapture(mayStart, (file) => start(file, true));
  bindLive(mayStart);
  bindTheme(byId('ui-theme'));
  byId('ui-language').addEventListener('click', switchLanguage);
  byId('cancel').addEventListener('click', cancelled);
  byId('again').addEventListener('click', restart);
  byId('model').addEventListener('change', () => fillSnippets(byId('model').value));
  onLanguage(() => { document.title = t('page.title'); });
  window.addEventListener('beforeunload', (event) => {
    if (cancelJob || isRecording() || isLive()) event.preventDefault();
  });
}

bindAll();
render();
loadModels();
