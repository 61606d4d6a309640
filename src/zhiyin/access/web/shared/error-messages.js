// Failures in plain words: a title in the page's language, the server's message as detail.

import { address } from './api.js';
import { messageFor, t } from './i18n.js';

const TITLES = {
  401: 'error.key',
  403: 'error.key',
  404: 'error.request',
  408: 'error.slow',
  413: 'error.large',
  429: 'error.busy',
  500: 'error.server',
  502: 'error.down',
  503: 'error.unready',
  504: 'error.slow',
};

async function serverAnswers() {
  try {
    await fetch(address('v1/models'), { cache: 'no-store' });
    return true;
  } catch {
    return false;
  }
}

/** The message name of the title for a Failure. */
export async function titleOf(failure) {
  if (failure.code === 'audio_too_long') return 'error.long';
  if (failure.code === 'overloaded') return 'error.busy';
  if (failure.code === 'room_taken') return 'room.taken';
  if (failure.kind === 'stream') return 'error.midway';
  if (failure.kind === 'http') {
    return TITLES[failure.status] ?? (failure.status < 500 ? 'error.file' : 'error.server');
  }
  const alive = await serverAnswers();
  if (!alive) return 'error.down';
  return failure.kind === 'broken' ? 'error.broken' : 'error.upload';
}

/** The server's words where there are any, else our hint for that title, if it has one. */
export function detailOf({ code, message }, title) {
  if (message) return { name: messageFor(code), fields: { message } };
  const hint = `${title}Hint`;
  return t(hint) === hint ? null : { name: hint };
}

const MICROPHONE = {
  NotAllowedError: 'mic.denied',
  SecurityError: 'mic.denied',
  NotFoundError: 'mic.none',
  OverconstrainedError: 'mic.none',
  NotReadableError: 'mic.taken',
};

/** The message name for what getUserMedia or MediaRecorder threw. */
export function microphoneTrouble(error) {
  return MICROPHONE[error.name] ?? 'mic.failed';
}
