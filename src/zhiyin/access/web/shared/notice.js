// The notice box for errors and ended jobs, and the dialog that asks for confirmation.

import { byId, show } from './dom.js';
import { setMessage } from './i18n.js';

const box = byId('notice');
const retry = byId('notice-retry');
let onRetry = null;
let countdown = 0;

function setDetail(node, detail) {
  show(node, Boolean(detail));
  if (detail) setMessage(node, detail.name, detail.fields);
}

function setWait(seconds) {
  clearTimeout(countdown);
  retry.disabled = seconds > 0;
  if (seconds <= 0) {
    setMessage(retry, 'error.retry');
    return;
  }
  setMessage(retry, 'error.retryIn', { seconds });
  countdown = setTimeout(() => setWait(seconds - 1), 1000);
}

/**
 * tone: 'bad' or 'calm'; detail: {name, fields} of a message or null; again: what "try again"
 * does; wait: seconds until it may.
 */
export function notify({ tone = 'bad', title, fields, detail, again = null, wait = 0 }) {
  box.dataset.tone = tone;
  show(box);
  setMessage(byId('notice-title'), title, fields);
  setDetail(byId('notice-detail'), detail);
  onRetry = again;
  show(retry, Boolean(again));
  setWait(wait);
}

/** Shows why the microphone can't be used; name: a message name. */
export function notifyMicrophoneProblem(name) {
  notify({ title: 'mic.title', detail: { name } });
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

/** Asks for confirmation; true when confirmed. The buttons' text is the page's. */
export function askConfirmation(title, fields) {
  const dialog = byId('ask');
  if (dialog.open) return Promise.resolve(false);
  setMessage(byId('ask-title'), title, fields);
  dialog.returnValue = 'keep';
  dialog.showModal();
  return new Promise((resolve) => {
    byId('ask-replace').onclick = () => dialog.close('replace');
    byId('ask-keep').onclick = () => dialog.close('keep');
    dialog.onclose = () => resolve(dialog.returnValue === 'replace');
  });
}
