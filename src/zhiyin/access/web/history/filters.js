// Filters of the history: words, a language, days.

import { byId, make } from '../shared/dom.js';
import { onLanguageChange, t } from '../shared/i18n.js';
import { languageName, otherLanguages } from '../shared/languages.js';

const words = byId('query');
const language = byId('language');
const from = byId('from');
const to = byId('to');

const option = (value, label) => make('option', { value, textContent: label });

function fillLanguages() {
  const wanted = language.value;
  const others = make('optgroup', { label: t('option.others') });
  others.append(...otherLanguages().map((code) => option(code, languageName(code))));
  const first = [option('', t('history.any')), option('zh', '中文'), option('en', 'English')];
  language.replaceChildren(...first, others);
  language.value = wanted;
}

/** Local midnight of a day (and some days more) as the server wants it; empty without a day. */
function midnight(day, offset) {
  if (!day) return '';
  const [year, month, date] = day.split('-').map(Number);
  const time = new Date(year, month - 1, date + offset);
  return Number.isNaN(time.getTime()) ? '' : time.toISOString();
}

/** The query parameters for the server, and whether there are any. */
export function currentFilters() {
  const chosen = {
    q: words.value.trim(),
    language: language.value,
    from: midnight(from.value, 0),
    to: midnight(to.value, 1),
  };
  const given = Object.entries(chosen).filter(([, value]) => value);
  return { query: new URLSearchParams(given), any: given.length > 0 };
}

/** Calls back whenever a filter changes. */
export function bindFilters(changed) {
  byId('filters').addEventListener('submit', (event) => {
    event.preventDefault();
    changed();
  });
  for (const control of [language, from, to]) control.addEventListener('change', changed);
  words.addEventListener('search', changed);
  onLanguageChange(fillLanguages);
}
