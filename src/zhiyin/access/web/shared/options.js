// The recognition options of the start page. Those that make sense next time are stored.

import { byId, make } from './dom.js';
import { onLanguageChange, t } from './i18n.js';
import { languageName, otherLanguages } from './languages.js';
import { loadSetting, saveSetting } from './storage.js';

const language = byId('language');
const model = byId('model');
const prompt = byId('prompt');
const words = byId('words');
const vad = byId('vad');
const script = byId('script');
const room = byId('room');
let models = [];

const option = (value, label) => make('option', { value, textContent: label });

/** Sets a select's choices and selects one of them, else the first. */
function fill(select, selected, ...choices) {
  select.replaceChildren(...choices);
  select.value = selected;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** Whether the chosen model has a language; true when the server does not list its languages. */
function supported(code) {
  const chosen = models.find(({ id }) => id === model.value);
  return chosen?.languages?.includes(code) ?? true;
}

function fillLanguages() {
  const named = (code) => option(code, languageName(code));
  const others = make('optgroup', { label: t('option.others') });
  others.append(...otherLanguages().filter(supported).map(named));
  const wanted = language.value || loadSetting('language') || '';
  const first = [option('zh', '中文'), option('en', 'English')];
  fill(language, wanted, option('', t('option.auto')), ...first, others);
}

function fillModels() {
  const wanted = model.value || loadSetting('model') || '';
  const names = models.map(({ id }) => option(id, id));
  if (!names.length) names.push(option('', t('option.default')));
  fill(model, wanted, ...names);
}

/** The Chinese script of the browser's languages; empty (the server's choice) without Chinese. */
function defaultScript() {
  const tag = navigator.languages.find((code) => /^zh\b/i.test(code));
  if (!tag) return '';
  const { script: written, region } = new Intl.Locale(tag).maximize();
  if (written !== 'Hant') return 'simplified';
  return { TW: 'traditional-tw', HK: 'traditional-hk', MO: 'traditional-hk' }[region] ?? 'traditional';
}

function fillScripts() {
  const wanted = script.value || (loadSetting('script') ?? defaultScript());
  const named = [
    option('simplified', '简体中文'), option('traditional', '繁體中文'),
    option('traditional-tw', '繁體中文（台灣）'), option('traditional-hk', '繁體中文（香港）'),
  ];
  const byLanguage = option('', t('option.scriptByLanguage'));
  fill(script, wanted, byLanguage, ...named, option('as-is', t('option.scriptAsIs')));
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
    script: script.value,
  };
}

/** The caption room for live text, or empty; not stored, so that nobody is published unawares. */
export const currentRoom = () => room.value.trim();

/** Stores a control's value when it changes, and restores it now. */
function persist(control, name, read, write) {
  const stored = loadSetting(name);
  if (stored !== null) write(stored);
  control.addEventListener('change', () => saveSetting(name, read()));
}

export function bindOptions() {
  for (const [box, name] of [[words, 'words'], [vad, 'vad']]) {
    const write = (stored) => { box.checked = stored === 'true'; };
    persist(box, name, () => String(box.checked), write);
  }
  for (const [select, name] of [[language, 'language'], [model, 'model'], [script, 'script']]) {
    persist(select, name, () => select.value, () => {});
  }
  model.addEventListener('change', fillLanguages);
  onLanguageChange(fillAll);
}
