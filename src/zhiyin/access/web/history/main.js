// Entry of the history page: a search, a list that grows by pages, and each transcript in full.

import { request } from '../shared/api.js';
import { byId, show } from '../shared/dom.js';
import { errorDetail, errorTitle } from '../shared/error-messages.js';
import {
  onLanguageChange, render, setMessage, setText, switchLanguage, t,
} from '../shared/i18n.js';
import { askConfirmation, bindNotice, clearNotice, notify } from '../shared/notice.js';
import { loadApiKey, saveApiKey } from '../shared/storage.js';
import { bindThemeSwitch } from '../shared/theme-switch.js';
import { makeEntry } from './entry.js';
import { bindFilters, currentFilters } from './filters.js';

const list = byId('entries');
let cursor = null; // of the next page
let searchNumber = 0; // responses to an older search are dropped

function showState() {
  show(byId('more'), cursor !== null);
  if (list.children.length) setText(byId('status'), '');
  else if (cursor !== null) setMessage(byId('status'), 'history.further');
  else setMessage(byId('status'), currentFilters().any ? 'history.none' : 'history.empty');
}

async function failed(failure, again) {
  if (failure.status === 401) {
    setMessage(byId('key-title'), loadApiKey() ? 'key.wrong' : 'key.title');
    show(byId('key-form'));
    byId('key').focus();
    return;
  }
  if (failure.code === 'history_off') {
    setMessage(byId('status'), 'history.off');
    return;
  }
  const title = await errorTitle(failure);
  notify({ title, detail: errorDetail(failure, title), again, wait: failure.wait });
}

async function load() {
  const number = searchNumber;
  const query = currentFilters().query;
  if (cursor) query.set('cursor', cursor);
  clearNotice();
  byId('more').disabled = true;
  setMessage(byId('status'), 'history.loading');
  try {
    const page = await (await request(`v1/history?${query}`)).json();
    if (number !== searchNumber) return;
    cursor = page.next_cursor;
    list.append(...page.data.map((transcript) => makeEntry(transcript, { failed, remove })));
    showState();
  } catch (failure) {
    if (number !== searchNumber) return;
    setText(byId('status'), '');
    failed(failure, load);
  } finally {
    byId('more').disabled = false;
  }
}

function reload() {
  searchNumber += 1;
  cursor = null;
  list.replaceChildren();
  show(byId('more'), false);
  return load();
}

async function remove(id, row) {
  if (!(await askConfirmation('history.ask'))) return;
  try {
    await request(`v1/history/${id}`, { method: 'DELETE' });
  } catch (failure) {
    if (failure.status !== 404) {
      failed(failure);
      return;
    }
  }
  row.remove();
  showState();
  byId('main').focus();
}

function bindKey() {
  byId('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    saveApiKey(byId('key').value.trim());
    byId('key').value = '';
    show(byId('key-form'), false);
    reload();
  });
}

bindFilters(reload);
bindNotice();
bindKey();
bindThemeSwitch(byId('ui-theme'));
byId('ui-language').addEventListener('click', switchLanguage);
byId('more').addEventListener('click', load);
onLanguageChange(() => { document.title = t('history.page'); });
render();
reload();
