// Talks to the server: the list of models, and one recognition with its progress.

import { EventReader } from '../transcribe/server-sent-events.js';
import { recallKey } from './storage.js';

const ROOT = new URL('../..', import.meta.url); // this module lies in <root>/static/shared/

export const address = (path = '') => new URL(path, ROOT).href;

/** What went wrong. kind: offline (no connection), broken (it ended early), http or stream. */
export class Failure extends Error {
  constructor(kind, { status = 0, message = '', code = null, wait = 0 } = {}) {
    super(message);
    Object.assign(this, { kind, status, code, wait });
  }
}

function authorization() {
  const key = recallKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** The answer to a request without a body; throws a Failure for all but good ones. */
export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(address(path), { ...options, headers: authorization() });
  } catch {
    throw new Failure('offline');
  }
  if (answer.ok) return answer;
  const wait = retryAfter(answer.headers.get('Retry-After'));
  throw httpFailure(answer.status, await answer.text(), wait);
}

/** The models ({id, languages}) without their aliases, the default first; throws a Failure. */
export async function listModels() {
  const { data } = await (await ask('v1/models')).json();
  return data.filter((model) => !model.alias_of);
}

/** Seconds to wait, from a Retry-After header that holds seconds or a date. */
function retryAfter(header) {
  if (!header) return 0;
  const seconds = Number(header);
  const wait = Number.isNaN(seconds) ? (Date.parse(header) - Date.now()) / 1000 : seconds;
  return Math.max(0, Math.ceil(wait)) || 0;
}

function httpFailure(status, text, wait) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // Not from our server (a proxy's page, say): the status alone must do.
  }
  return new Failure('http', { status, wait, message: error.message, code: error.code });
}

function formOf(file, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) {
    if (value !== '') form.append(name, String(value));
  }
  form.append('stream', 'true');
  form.append('file', file, file.name);
  return form;
}

/** Hands one server event to its listener; true when it was the last. */
function deliver(event, on) {
  if (event.error) {
    on.failed(new Failure('stream', event.error));
  } else if (event.type === 'done') {
    on.done(event.result);
  } else if (event.type === 'segment') {
    on.segment(event.segment);
  } else if (event.type === 'progress') {
    on.progress(event.processed, event.duration);
  }
  return Boolean(event.error) || event.type === 'done';
}

/**
 * Sends a file and reports to `on`: uploaded(sent, total), sent(), progress(seconds, duration),
 * segment(segment), then once either done(result) or failed(Failure).
 * Returns the function that cancels; after it nothing more is reported.
 */
export function recognize(file, options, on) {
  const xhr = new XMLHttpRequest();
  const reader = new EventReader();
  let over = false;

  function fail(failure) {
    if (over) return;
    over = true;
    on.failed(failure);
  }
  function read() {
    if (xhr.status !== 200) return;
    for (const event of reader.take(xhr.responseText)) over = over || deliver(event, on);
  }
  xhr.upload.onprogress = ({ loaded, total }) => over || on.uploaded(loaded, total);
  xhr.upload.onload = () => over || on.sent();
  xhr.onprogress = read;
  xhr.onload = () => {
    read();
    const wait = retryAfter(xhr.getResponseHeader('Retry-After'));
    const { status, responseText } = xhr;
    fail(status === 200 ? new Failure('broken') : httpFailure(status, responseText, wait));
  };
  xhr.onerror = () => fail(new Failure(reader.started ? 'broken' : 'offline'));
  xhr.open('POST', address('recognize'));
  Object.entries(authorization()).forEach((header) => xhr.setRequestHeader(...header));
  xhr.send(formOf(file, options));
  return () => {
    over = true;
    xhr.abort();
  };
}
