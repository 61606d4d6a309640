// The result panel: the transcript with its facts, warnings, downloads and player.

import { byId, make, show } from './dom.js';
import { copyToClipboard, downloadAs } from './export.js';
import { clock, toText } from './formats.js';
import { serverMessageName, setMessage, setText } from './i18n.js';
import { languageName } from './languages.js';
import { PartialText } from './partial-text.js';
import { Player } from './player.js';
import { SegmentList } from './segment-list.js';

const panel = byId('result');
let stem = 'transcript';
let result = null;

const player = new Player(byId('player'), {
  time: (seconds) => segmentList.highlight(seconds),
  unplayable: () => setPlayable(false),
});
const segmentList = new SegmentList(byId('segments'), (start) => player.playFrom(start));
/** The partial results of live text, until they are final. */
export const partialText = new PartialText(byId('unsettled'), byId('spoken'));

function setPlayable(playable) {
  segmentList.playable = playable;
  show(byId('player-bar'), playable);
  show(byId('unplayable'), !playable);
}

function openEmpty(name) {
  result = null;
  stem = name;
  segmentList.clear();
  partialText.clear();
  byId('facts').replaceChildren();
  for (const id of ['warnings', 'actions', 'empty', 'result']) show(byId(id), false);
}

/** Starts an empty transcript for a file. */
export function openResult(file, recorded) {
  openEmpty(file.name.replace(/\.[^.]*$/, '') || 'transcript');
  setText(byId('result-name'), file.name);
  setPlayable(true);
  player.load(file);
  show(byId('again'));
  const keep = byId('keep');
  show(keep, recorded);
  Object.assign(keep, { href: player.url, download: file.name });
}

/** Starts an empty transcript for live text: there is no file to play or to transcribe again. */
export function openLiveResult(time) {
  openEmpty(`live ${time}`);
  setMessage(byId('result-name'), 'live.name', { time });
  setPlayable(false);
  for (const id of ['unplayable', 'again', 'keep']) show(byId(id), false);
  show(panel);
}

export function addSegment(segment) {
  segmentList.add(segment);
  show(panel);
}

/** Adds a final segment of live text; it can be copied and saved at once. */
export function addFinal(segment) {
  partialText.finalize(segment);
  if (!segment.text) return;
  addSegment(segment);
  showActions();
}

function showActions(text = true) {
  for (const id of ['copy', 'downloads']) show(byId(id), text);
  show(byId('actions'));
}

function fact(name, value, fields) {
  const label = make('dt');
  const content = make('dd');
  setMessage(label, name);
  if (fields) setMessage(content, value, fields);
  else setText(content, value);
  return make('div', {}, label, content);
}

function languageFact({ language, language_probability: probability }) {
  const name = () => languageName(language);
  const percent = Math.round((probability ?? 0) * 100);
  if (!percent || percent === 100) return fact('result.language', '{language}', { language: name });
  return fact('result.language', 'result.sure', { language: name, percent });
}

function tookFact(took, duration) {
  const speed = duration / took;
  const fields = { time: took.toFixed(1), speed: speed.toFixed(speed < 10 ? 1 : 0) };
  return fact('result.took', duration ? 'result.tookSpeed' : 'result.tookValue', fields);
}

function warningRow({ code, message }) {
  const row = make('li');
  setMessage(row, serverMessageName(code), { message });
  return row;
}

function showWarnings(warnings) {
  const list = byId('warnings');
  list.replaceChildren(...warnings.map(warningRow));
  show(list, warnings.length > 0);
}

/** Shows the complete result; took: seconds of processing (0 for live text, not shown). */
export function finishResult(finished, took) {
  result = finished;
  segmentList.replace(finished.segments);
  partialText.clear();
  const facts = finished.model ? [fact('result.model', finished.model)] : [];
  if (took) facts.unshift(tookFact(took, finished.duration));
  if (finished.duration) facts.unshift(fact('result.duration', clock(finished.duration)));
  if (finished.language) facts.unshift(languageFact(finished));
  byId('facts').replaceChildren(...facts);
  // That there is no speech is shown by the empty list already.
  showWarnings((finished.warnings ?? []).filter(({ code }) => code !== 'no_speech'));
  const noSpeech = finished.segments.length === 0;
  show(byId('empty'), noSpeech);
  showActions(!noSpeech);
  show(panel);
}

/** Scrolls a result that ended up below the window's edge into view. */
export function revealResult() {
  const title = byId('result-title');
  if (title.getBoundingClientRect().top > window.innerHeight * 0.8) panel.scrollIntoView();
}

/** The complete result, or the segments so far. */
function current() {
  const { segments } = segmentList;
  return result ?? { text: toText(segments).trim(), segments };
}

/** Keeps the segments of a job that failed or was cancelled; false when there are none. */
export function keepPartial() {
  const some = segmentList.segments.length > 0;
  partialText.clear();
  show(panel, some);
  if (some) showActions();
  return some;
}

export function bindResultPanel() {
  byId('copy').addEventListener('click', ({ currentTarget }) => {
    copyToClipboard(currentTarget, toText(current().segments).trim());
  });
  for (const button of document.querySelectorAll('[data-format]')) {
    button.addEventListener('click', () => downloadAs(stem, button.dataset.format, current()));
  }
}
