// Entry of the start page: one recording at a time, from the file to its transcript.

import { bindLivePanel, discardLive, isLive } from '../live/panel.js';
import { announce } from '../shared/announce.js';
import { listModels } from '../shared/api.js';
import { byId, show } from '../shared/dom.js';
import { errorDetail, errorTitle } from '../shared/error-messages.js';
import { onLanguageChange, render, setMessage, switchLanguage, t } from '../shared/i18n.js';
import { askConfirmation, bindNotice, clearNotice, notify } from '../shared/notice.js';
import { bindOptions, currentOptions, setModels } from '../shared/options.js';
import {
  addSegment, bindResultPanel, finishResult, keepPartial, openResult, revealResult,
} from '../shared/result-panel.js';
import { loadApiKey, saveApiKey } from '../shared/storage.js';
import { bindThemeSwitch } from '../shared/theme-switch.js';
import { bindCodeSnippets, fillCodeSnippets } from './code-snippets.js';
import { bindFileInput } from './file-input.js';
import * as progress from './progress.js';
import { bindRecordingPanel, discardRecording, isRecording } from './recording-panel.js';
import { recognize } from './upload.js';

let source = null; // { file, recorded } of the last job
let cancelJob = null; // set while a job runs
let retryWithKey = null; // what to do again once there is an API key

function endJob() {
  cancelJob = null;
  progress.closeProgress();
}

function succeeded(result, began) {
  endJob();
  finishResult(result, (performance.now() - began) / 1000);
  announce('job.finished');
  revealResult();
}

function requestKey(retry) {
  retryWithKey = retry;
  setMessage(byId('key-title'), loadApiKey() ? 'key.wrong' : 'key.title');
  show(byId('key-form'));
  byId('key').focus();
}

async function failed(failure) {
  endJob();
  keepPartial();
  if (failure.status === 401) {
    requestKey(restart);
    return;
  }
  const title = await errorTitle(failure);
  if (cancelJob) return; // a new job has begun meanwhile
  const again = failure.status === 413 ? null : restart;
  notify({ title, detail: errorDetail(failure, title), again, wait: failure.wait });
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
  announce('job.started', { name: file.name });
  const began = performance.now();
  cancelJob = recognize(file, currentOptions(), {
    uploaded: progress.showUpload,
    sent: progress.showWaiting,
    progress: progress.showProcessed,
    segment: addSegment,
    done: (result) => succeeded(result, began),
    failed,
  });
}

function restart() {
  if (!cancelJob) start(source.file, source.recorded);
}

/** True when nothing runs, or the user agreed to stop it (and it was stopped). */
async function stopRunning() {
  if (cancelJob && !(await askConfirmation('ask.job', { name: source.file.name }))) return false;
  if (isRecording() && !(await askConfirmation('ask.recording'))) return false;
  if (isLive() && !(await askConfirmation('ask.live'))) return false;
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
  if (!(await stopRunning())) return;
  start(file, false);
  if (several) notify({ tone: 'calm', title: 'error.several', fields: { name: file.name } });
}

async function loadModels() {
  try {
    setModels(await listModels());
  } catch (failure) {
    if (failure.status === 401) requestKey(loadModels);
  }
  fillCodeSnippets(byId('model').value);
}

function bindKey() {
  byId('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    saveApiKey(byId('key').value.trim());
    byId('key').value = '';
    show(byId('key-form'), false);
    const retry = retryWithKey;
    loadModels();
    if (retry !== loadModels) retry();
  });
}

function bindAll() {
  bindOptions();
  bindNotice();
  bindResultPanel();
  bindCodeSnippets();
  bindKey();
  bindFileInput(chosen);
  bindRecordingPanel(stopRunning, (file) => start(file, true));
  bindLivePanel(stopRunning);
  bindThemeSwitch(byId('ui-theme'));
  byId('ui-language').addEventListener('click', switchLanguage);
  byId('cancel').addEventListener('click', cancelled);
  byId('again').addEventListener('click', restart);
  byId('model').addEventListener('change', () => fillCodeSnippets(byId('model').value));
  onLanguageChange(() => { document.title = t('page.title'); });
  window.addEventListener('beforeunload', (event) => {
    if (cancelJob || isRecording() || isLive()) event.preventDefault();
  });
}

bindAll();
render();
loadModels();
