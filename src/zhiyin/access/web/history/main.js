// The page of kept transcripts: a search, a list that grows by pages, and each one in full.

import { ask } from '../shared/api.js';
import { byId, show } from '../shared/dom.js';
import { detailOf, titleOf } from '../shared/error-messages.js';
import { makeEntry } from './entry.js';
import { bindFilters, currentFilters } from './filters.js';
import { onLanguage, render, say, sayPlain, switchLanguage, t } from '../shared/i18n.js';
import { askReplace, bindNotice, clearNotice, notify } from '../shared/notice.js';
import { recallKey, rememberKey } from '../shared/storage.js';
import { bindTheme } from '../shared/theme-switch.js';

const list = byId('entries');
let cursor = null; // of the next page
let turn = 0; // answers to an older search are dropped

function showState() {
  show(byId('more'), cursor !== null);
  if (list.children.length) sayPlain(byId('status'), '');
  else if (cursor !== null) say(byId('status'), 'history.further');
  else say(byId('status'), currentFilters().any ? 'history.none' : 'history.empty');
}

async function failed(failure, again) {
  if (failure.status === 401) {
    say(byId('key-title'), recallKey() ? 'key.wrong' : 'key.title');
    show(byId('key-form'));
    byId('key').focus();
    return;
  }
  if (failure.code === 'history_off') {
    say(byId('status'), 'history.off');
    return;
  }
  const title = await titleOf(failure);
  notify({ title, detail: detailOf(failure, title), again, wait: failure.wait });
}

async function load() {
  const mine = turn;
  const query = currentFilters().query;
  if (cursor) query.set('cursor', cursor);
  clearNotice();
  byId('more').disabled = true;
  say(byId('status'), 'history.loading');
  try {
    const page = await (await ask(`v1/history?${query}`)).json();
    if (mine !== turn) return;
    cursor = page.next_cursor;
    list.append(...page.data.map((one) => makeEntry(one, { failed, remove })));
    showState();
  } catch (failure) {
    if (mine !== turn) return;
    sayPlain(byId('status'), '');
    failed(failure, load);
  } finally {
    byId('more').disabled = false;
  }
}

function reload() {
  turn += 1;
  cursor = null;
  list.replaceChildren();
  show(byId('more'), false);
  return load();
}

async function remove(id, row) {
  if (!(await askReplace('history.ask'))) return;
  try {
    await ask(`v1/history/${id}`, { method: 'DELETE' });
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
    rememberKey(byId('key').value.trim());
    byId('key').value = '';
    show(byId('key-form'), false);
    reload();
  });
}

bindFilters(reload);
bindNotice();
bindKey();
bindTheme(byId('ui-theme'));
byId('ui-language').addEventListener('click', switchLanguage);
byId('more').addEventListener('click', load);
onLanguage(() => { document.title = t('history.page'); });
render();
reload();
