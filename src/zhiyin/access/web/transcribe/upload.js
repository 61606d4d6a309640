// Uploads a file for recognition; progress and segments come back as server-sent events.

import { authorizationHeaders, Failure, httpFailure, serverUrl } from '../shared/api.js';
import { EventStreamParser } from './server-sent-events.js';

function formOf(file, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) {
    if (value !== '') form.append(name, String(value));
  }
  form.append('stream', 'true');
  form.append('file', file, file.name);
  return form;
}

/** Dispatches one event to the callbacks; true when it was the last. */
function dispatch(event, on) {
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
 * Uploads a file and calls back `on`: uploaded(sent, total) in bytes, sent() after the last byte,
 * progress(seconds, duration), segment(segment), then once either done(result) or failed(Failure).
 * Returns a function that cancels; nothing is called back after it.
 */
export function recognize(file, options, on) {
  const xhr = new XMLHttpRequest();
  const parser = new EventStreamParser();
  let over = false;

  function fail(failure) {
    if (over) return;
    over = true;
    on.failed(failure);
  }
  function read() {
    if (xhr.status !== 200) return;
    for (const event of parser.newEvents(xhr.responseText)) over = over || dispatch(event, on);
  }
  xhr.upload.onprogress = ({ loaded, total }) => over || on.uploaded(loaded, total);
  xhr.upload.onload = () => over || on.sent();
  xhr.onprogress = read;
  xhr.onload = () => {
    read();
    const { status, responseText } = xhr;
    const retryAfter = xhr.getResponseHeader('Retry-After');
    fail(status === 200 ? new Failure('broken') : httpFailure(status, responseText, retryAfter));
  };
  xhr.onerror = () => fail(new Failure(parser.started ? 'broken' : 'offline'));
  xhr.open('POST', serverUrl('recognize'));
  Object.entries(authorizationHeaders()).forEach((header) => xhr.setRequestHeader(...header));
  xhr.send(formOf(file, options));
  return () => {
    over = true;
    xhr.abort();
  };
}
