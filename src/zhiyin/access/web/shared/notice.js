// The one message box: errors, and how a job ended. Also the question before replacing a job.

import { byId, show } from './dom.js';
import { say } from './i18n.js';

const box = byId('notice');
const retry = byId('notice-retry');
let onRetry = null;
let countdown = 0;

function setDetail(node, detail) {
  show(node, Boolean(detail));
  if (detail) say(node, detail.name, detail.fields);
}

function setWait(seconds) {
  clearTimeout(countdown);
  retry.disabled = seconds > 0;
  if (seconds <= 0) {
    say(retry, 'error.retry');
    return;
  }
  say(retry, 'error.retryIn', { seconds });
  countdown = setTimeout(() => setWait(seconds - 1), 1000);
}

/**
 * tone: 'bad' or 'calm'; detail: {name, fields} of a message or null; again: what "try again"
 * does; wait: seconds until it may.
 */
export function notify({ tone = 'bad', title, fields, detail, again = null, wait = 0 }) {
  box.dataset.tone = tone;
  show(box);
  say(byId('notice-title'), title, fields);
  setDetail(byId('notice-detail'), detail);
  onRetry = again;
  show(retry, Boolean(again));
  setWait(wait);
}

export function clearNotice() {
  clearTimeout(countdown);
  show(box, false);
}

export function bindNotice() {
  retry.addEventListener('click', () => {
    clearNotice();
    onRetry();
  });
  byId('notice-close').addEventListener('click', clearNotice);
}

/** Asks whether a new recording may replace the running one. */
export function askReplace(title, fields) {
  const dialog = byId('ask');
  if (dialog.open) return Promise.resolve(false);
  say(byId('ask-title'), title, fields);
  dialog.returnValue = 'keep';
  dialog.showModal();
  return new Promise((resolve) => {
    byId('ask-replace').onclick = () => dialog.close('replace');
    byId('ask-keep').onclick = () => dialog.close('keep');
    dialog.onclose = () => resolve(dialog.returnValue === 'replace');
  });
}
