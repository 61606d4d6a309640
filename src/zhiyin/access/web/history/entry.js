// One kept transcript: a line of the list, which opens to the whole text.

import { ask } from '../shared/api.js';
import { make } from '../shared/dom.js';
import { clock, toText } from '../shared/formats.js';
import { onLanguage, say, sayPlain, t, uiLanguage } from '../shared/i18n.js';
import { languageName } from '../shared/languages.js';
import { copyWith, saveAs } from '../shared/export.js';
import { Transcript } from '../shared/segment-list.js';

const FORMATS = ['txt', 'srt', 'vtt', 'json'];
const times = new Map(); // node -> time; shown in the page's language

function showTime(node, time) {
  const style = { dateStyle: 'medium', timeStyle: 'short' };
  node.textContent = time.toLocaleString(uiLanguage() === 'zh' ? 'zh-CN' : 'en', style);
}

onLanguage(() => {
  for (const [node, time] of times) {
    if (node.isConnected) showTime(node, time);
    else times.delete(node);
  }
});

function timeNode(created) {
  const node = make('time', { dateTime: created });
  const time = new Date(created);
  times.set(node, time);
  showTime(node, time);
  return node;
}

function summaryOf(one) {
  const language = make('span');
  if (one.language !== 'und') say(language, '{name}', { name: () => languageName(one.language) });
  const meta = make('span', { className: 'meta' }, timeNode(one.created), language);
  meta.append(make('span', { textContent: clock(one.duration) }));
  meta.append(make('span', { textContent: one.model }));
  const beginning = make('span', { className: 'beginning', dir: 'auto' });
  if (one.text === null) say(beginning, 'history.unreadable');
  else if (one.text) sayPlain(beginning, one.text);
  else say(beginning, 'result.empty');
  return make('summary', {}, meta, beginning);
}

function button(name, act) {
  const made = make('button', { type: 'button', className: 'button small' });
  say(made, name);
  made.addEventListener('click', () => act(made));
  return made;
}

function downloads(whole) {
  const row = make('div', { className: 'row joined', role: 'group' });
  row.setAttribute('aria-label', t('result.download'));
  const stem = whole.created.slice(0, 19).replace('T', ' ').replaceAll(':', '.');
  for (const format of FORMATS) {
    const one = make('button', { type: 'button', className: 'button small', textContent: format });
    one.addEventListener('click', () => saveAs(stem, format, whole));
    row.append(one);
  }
  return row;
}

function fill(inside, whole, removing) {
  const text = toText(whole.segments).trim();
  const actions = make('div', { className: 'row actions' });
  if (text) {
    actions.append(button('result.copy', (self) => copyWith(self, text)), downloads(whole));
  }
  actions.append(removing());
  const segments = make('ol', { className: 'segments' });
  const transcript = new Transcript(segments, () => {});
  transcript.playable = false;
  transcript.settle(whole.segments);
  inside.replaceChildren(actions, segments);
}

/** A list item. `on` has failed(failure, again) and remove(id, row). */
export function makeEntry(one, on) {
  const inside = make('div', { className: 'inside' });
  const entry = make('details', { className: 'entry' }, summaryOf(one), inside);
  const row = make('li', {}, entry);
  const removing = () => button('history.delete', () => on.remove(one.id, row));
  async function open() {
    try {
      fill(inside, await (await ask(`v1/history/${one.id}`)).json(), removing);
    } catch (failure) {
      inside.replaceChildren(removing());
      on.failed(failure, open);
    }
  }
  entry.addEventListener('toggle', () => {
    if (entry.open && !inside.children.length) open();
  });
  return row;
}
