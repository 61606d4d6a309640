// The settings that go with a recording. Those that make sense next time are remembered.

import { byId, make } from './dom.js';
import { onLanguage, t } from './i18n.js';
import { languageName, otherLanguages } from './languages.js';
import { recall, remember } from './storage.js';

const language = byId('language');
const model = byId('model');
const prompt = byId('prompt');
const words = byId('words');
const vad = byId('vad');
const script = byId('script');
const room = byId('room');
let models = [];

const option = (value, label) => make('option', { value, textContent: label });

/** Sets a select's choices and keeps what was chosen, if it is still there. */
function fill(select, wanted, ...choices) {
  select.replaceChildren(...choices);
  select.value = wanted;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** Whether the chosen model knows a language; yes when the server does not say. */
function known(code) {
  const chosen = models.find(({ id }) => id === model.value);
  return chosen?.languages?.includes(code) ?? true;
}

function fillLanguages() {
  const named = (code) => option(code, languageName(code));
  const others = make('optgroup', { label: t('option.others') });
  others.append(...otherLanguages().filter(known).map(named));
  const wanted = language.value || recall('language') || '';
  const first = [option('zh', '中文'), option('en', 'English')];
  fill(language, wanted, option('', t('option.auto')), ...first, others);
}

function fillModels() {
  const wanted = model.value || recall('model') || '';
  const names = models.map(({ id }) => option(id, id));
  if (!names.length) names.push(option('', t('option.default')));
  fill(model, wanted, ...names);
}

/** The script that a reader of Chinese has in the browser; others get what the model writes. */
function usualScript() {
  const tag = navigator.languages.find((code) => /^zh\b/i.test(code));
  if (!tag) return '';
  return new Intl.Locale(tag).maximize().script === 'Hant' ? 'traditional' : 'simplified';
}

function fillScripts() {
  const wanted = script.value || (recall('script') ?? usualScript());
  const named = [option('simplified', '简体中文'), option('traditional', '繁體中文')];
  fill(script, wanted, option('', t('option.scriptAny')), ...named);
}

function fillAll() {
  fillModels();
  fillLanguages();
  fillScripts();
}

export function setModels(list) {
  models = list;
  fillAll();
}

/** The form fields for the server; an empty one is left out. */
export function currentOptions() {
  return {
    language: language.value,
    model: model.value,
    prompt: prompt.value.trim(),
    words: words.checked,
    vad: vad.checked,
  };
}

/** How live text writes Chinese; empty is as the model does. */
export const currentScript = () => script.value;

/** The room that live text goes to, or nothing; not kept, so that nobody is heard unawares. */
export const currentRoom = () => room.value.trim();

function keep(control, name, read, write) {
  const kept = recall(name);
  if (kept !== null) write(kept);
  control.addEventListener('change', () => remember(name, read()));
}

export function bindOptions() {
  for (const [box, name] of [[words, 'words'], [vad, 'vad']]) {
    const write = (kept) => { box.checked = kept === 'true'; };
    keep(box, name, () => String(box.checked), write);
  }
  for (const [select, name] of [[language, 'language'], [model, 'model'], [script, 'script']]) {
    keep(select, name, () => select.value, () => {});
  }
  model.addEventListener('change', fillLanguages);
  onLanguage(fillAll);
}
