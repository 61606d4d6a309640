// The transcript with its facts, warnings, downloads and player.

import { byId, make, show } from './dom.js';
import { clock, toText } from './formats.js';
import { messageFor, say, sayPlain } from './i18n.js';
import { languageName } from './languages.js';
import { Player } from './player.js';
import { copyWith, saveAs } from './export.js';
import { Transcript } from './segment-list.js';
import { Unsettled } from './partial-text.js';

const panel = byId('result');
let stem = 'transcript';
let result = null;

const player = new Player(byId('player'), {
  time: (seconds) => transcript.mark(seconds),
  unplayable: () => setPlayable(false),
});
const transcript = new Transcript(byId('segments'), (start) => player.playFrom(start));
/** The text of what is being said, until it is settled. */
export const unsettled = new Unsettled(byId('unsettled'), byId('spoken'));

function setPlayable(playable) {
  transcript.playable = playable;
  show(byId('player-bar'), playable);
  show(byId('unplayable'), !playable);
}

function openEmpty(name) {
  result = null;
  stem = name;
  transcript.clear();
  unsettled.clear();
  byId('facts').replaceChildren();
  for (const id of ['warnings', 'actions', 'empty', 'result']) show(byId(id), false);
}

/** Starts an empty transcript for a file. */
export function openResult(file, recorded) {
  openEmpty(file.name.replace(/\.[^.]*$/, '') || 'transcript');
  sayPlain(byId('result-name'), file.name);
  setPlayable(true);
  player.load(file);
  show(byId('again'));
  const keep = byId('keep');
  show(keep, recorded);
  Object.assign(keep, { href: player.address, download: file.name });
}

/** Starts an empty transcript for what is being said: there is nothing to play or to repeat. */
export function openLive(time) {
  openEmpty(`live ${time}`);
  say(byId('result-name'), 'live.name', { time });
  setPlayable(false);
  for (const id of ['unplayable', 'again', 'keep']) show(byId(id), false);
  show(panel);
}

export function addSegment(segment) {
  transcript.add(segment);
  show(panel);
}

/** A segment of what is being said, for good: it can be copied and saved at once. */
export function addSettled(segment) {
  unsettled.settle(segment);
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
  say(label, name);
  if (fields) say(content, value, fields);
  else sayPlain(content, value);
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
  say(row, messageFor(code), { message });
  return row;
}

function showWarnings(warnings) {
  const list = byId('warnings');
  list.replaceChildren(...warnings.map(warningRow));
  show(list, warnings.length > 0);
}

/** The finished result, and the seconds that it took (0: as long as it was spoken). */
export function finishResult(finished, took) {
  result = finished;
  transcript.settle(finished.segments);
  unsettled.clear();
  const facts = finished.model ? [fact('result.model', finished.model)] : [];
  if (took) facts.unshift(tookFact(took, finished.duration));
  if (finished.duration) facts.unshift(fact('result.duration', clock(finished.duration)));
  if (finished.language) facts.unshift(languageFact(finished));
  byId('facts').replaceChildren(...facts);
  // That there is no speech is said by the empty list already.
  showWarnings((finished.warnings ?? []).filter(({ code }) => code !== 'no_speech'));
  const silent = finished.segments.length === 0;
  show(byId('empty'), silent);
  showActions(!silent);
  show(panel);
}

/** Brings a result that ended up below the window's edge into view. */
export function revealResult() {
  const title = byId('result-title');
  if (title.getBoundingClientRect().top > window.innerHeight * 0.8) panel.scrollIntoView();
}

/** What there is so far, or the finished result. */
function current() {
  const { segments } = transcript;
  return result ?? { text: toText(segments).trim(), segments };
}

/** Keeps what there is of a job that did not end well; false when there is nothing. */
export function keepPartial() {
  const some = transcript.segments.length > 0;
  unsettled.clear();
  show(panel, some);
  if (some) showActions();
  return some;
}

export function bindResult() {
  byId('copy').addEventListener('click', ({ currentTarget }) => {
    copyWith(currentTarget, toText(current().segments).trim());
  });
  for (const button of document.querySelectorAll('[data-format]')) {
    button.addEventListener('click', () => saveAs(stem, button.dataset.format, current()));
  }
}
