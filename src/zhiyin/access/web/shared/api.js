// HTTP client of this server: addresses, requests with the API key, and failures.

import { loadApiKey } from './storage.js';

const ROOT = new URL('../..', import.meta.url); // this module lies in <root>/static/shared/

/** The address of a path on this server, also where a proxy serves it under a prefix. */
export const serverUrl = (path = '') => new URL(path, ROOT).href;

/**
 * What went wrong. kind: offline (no connection), broken (the connection ended early), http (an
 * error status) or stream (an error event). wait: seconds until a retry makes sense.
 */
export class Failure extends Error {
  constructor(kind, { status = 0, message = '', code = null, wait = 0 } = {}) {
    super(message);
    Object.assign(this, { kind, status, code, wait });
  }
}

export function authorizationHeaders() {
  const key = loadApiKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Sends a request without a body and returns the response; throws a Failure unless it is a 2xx. */
export async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(serverUrl(path), { ...options, headers: authorizationHeaders() });
  } catch {
    throw new Failure('offline');
  }
  if (response.ok) return response;
  const retryAfter = response.headers.get('Retry-After');
  throw httpFailure(response.status, await response.text(), retryAfter);
}

/** The models ({id, languages}) without their aliases, the default first; throws a Failure. */
export async function listModels() {
  const { data } = await (await request('v1/models')).json();
  return data.filter((model) => !model.alias_of);
}

/** Seconds to wait, from a Retry-After header that holds seconds or a date. */
function secondsUntilRetry(header) {
  if (!header) return 0;
  const seconds = Number(header);
  const wait = Number.isNaN(seconds) ? (Date.parse(header) - Date.now()) / 1000 : seconds;
  return Math.max(0, Math.ceil(wait)) || 0;
}

/** The Failure for an error status; text: the response's body, retryAfter: that header or null. */
export function httpFailure(status, text, retryAfter) {
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch {
    // Not from our server (a proxy's page, for example): the status alone must do.
  }
  const wait = secondsUntilRetry(retryAfter);
  return new Failure('http', { status, wait, message: error.message, code: error.code });
}
