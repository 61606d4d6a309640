// One transcript of the history: a row of the list, which opens to the full text.

import { request } from '../shared/api.js';
import { make } from '../shared/dom.js';
import { copyToClipboard, downloadAs } from '../shared/export.js';
import { clock, toText } from '../shared/formats.js';
import { onLanguageChange, setMessage, setText, t, uiLanguage } from '../shared/i18n.js';
import { languageName } from '../shared/languages.js';
import { SegmentList } from '../shared/segment-list.js';

const FORMATS = ['txt', 'srt', 'vtt', 'json'];
const times = new Map(); // node -> time; shown in the page's language

function showTime(node, time) {
  const style = { dateStyle: 'medium', timeStyle: 'short' };
  node.textContent = time.toLocaleString(uiLanguage() === 'zh' ? 'zh-CN' : 'en', style);
}

onLanguageChange(() => {
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

function summaryOf(transcript) {
  const language = make('span');
  if (transcript.language !== 'und') {
    setMessage(language, '{name}', { name: () => languageName(transcript.language) });
  }
  const meta = make('span', { className: 'meta' }, timeNode(transcript.created), language);
  meta.append(make('span', { textContent: clock(transcript.duration) }));
  meta.append(make('span', { textContent: transcript.model }));
  const beginning = make('span', { className: 'beginning', dir: 'auto' });
  if (transcript.text === null) setMessage(beginning, 'history.unreadable');
  else if (transcript.text) setText(beginning, transcript.text);
  else setMessage(beginning, 'result.empty');
  return make('summary', {}, meta, beginning);
}

function button(name, act) {
  const made = make('button', { type: 'button', className: 'button small' });
  setMessage(made, name);
  made.addEventListener('click', () => act(made));
  return made;
}

function downloads(full) {
  const row = make('div', { className: 'row joined', role: 'group' });
  row.setAttribute('aria-label', t('result.download'));
  const stem = full.created.slice(0, 19).replace('T', ' ').replaceAll(':', '.');
  for (const format of FORMATS) {
    const one = make('button', { type: 'button', className: 'button small', textContent: format });
    one.addEventListener('click', () => downloadAs(stem, format, full));
    row.append(one);
  }
  return row;
}

function fill(inside, full, makeDelete) {
  const text = toText(full.segments).trim();
  const actions = make('div', { className: 'row actions' });
  if (text) {
    actions.append(button('result.copy', (self) => copyToClipboard(self, text)), downloads(full));
  }
  actions.append(makeDelete());
  const segments = make('ol', { className: 'segments' });
  const list = new SegmentList(segments, () => {});
  list.playable = false;
  list.replace(full.segments);
  inside.replaceChildren(actions, segments);
}

/** A list item. on: failed(failure, again), remove(id, row). */
export function makeEntry(transcript, on) {
  const inside = make('div', { className: 'inside' });
  const entry = make('details', { className: 'entry' }, summaryOf(transcript), inside);
  const row = make('li', {}, entry);
  const makeDelete = () => button('history.delete', () => on.remove(transcript.id, row));
  async function open() {
    try {
      fill(inside, await (await request(`v1/history/${transcript.id}`)).json(), makeDelete);
    } catch (failure) {
      inside.replaceChildren(makeDelete());
      on.failed(failure, open);
    }
  }
  entry.addEventListener('toggle', () => {
    if (entry.open && !inside.children.length) open();
  });
  return row;
}
