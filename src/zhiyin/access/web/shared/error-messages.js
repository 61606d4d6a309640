// Error messages: a title in the page's language, the server's message as detail.

import { serverUrl } from './api.js';
import { serverMessageName, t } from './i18n.js';

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

async function serverIsReachable() {
  try {
    await fetch(serverUrl('v1/models'), { cache: 'no-store' });
    return true;
  } catch {
    return false;
  }
}

/** The message name of the title for a Failure. */
export async function errorTitle(failure) {
  if (failure.code === 'audio_too_long') return 'error.long';
  if (failure.code === 'overloaded') return 'error.busy';
  if (failure.code === 'room_taken') return 'room.taken';
  if (failure.kind === 'stream') return 'error.midway';
  if (failure.kind === 'http') {
    return TITLES[failure.status] ?? (failure.status < 500 ? 'error.file' : 'error.server');
  }
  const reachable = await serverIsReachable();
  if (!reachable) return 'error.down';
  return failure.kind === 'broken' ? 'error.broken' : 'error.upload';
}

/** The server's message where there is one, else our hint for that title, if it has one. */
export function errorDetail({ code, message }, title) {
  if (message) return { name: serverMessageName(code), fields: { message } };
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
export function microphoneMessage(error) {
  return MICROPHONE[error.name] ?? 'mic.failed';
}
