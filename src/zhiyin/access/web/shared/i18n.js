// Translations: the page in English and Chinese. Every translated node carries its message name
// in data-i18n, also when script code sets it, so that a switch re-renders all of them.

import { ENGLISH } from './messages-en.js';
import { CHINESE } from './messages-zh.js';
import { loadSetting, saveSetting } from './storage.js';

const MESSAGES = { en: ENGLISH, zh: CHINESE };
const HTML_LANG = { en: 'en', zh: 'zh-CN' };
const parameters = new WeakMap(); // node -> the fields of its message
const listeners = [];
let current = startLanguage();

function startLanguage() {
  const stored = loadSetting('ui');
  if (stored in MESSAGES) return stored;
  return (navigator.language || '').toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export const uiLanguage = () => current;

/** The name of the message for a server's error or warning code, with a field {message}. */
export function serverMessageName(code) {
  const name = `server.${code}`;
  return Object.hasOwn(ENGLISH, name) ? name : 'server.other';
}

/** The message with its {fields} filled; a field given as a function is called at each render. */
export function t(name, fields = {}) {
  const text = MESSAGES[current][name] ?? ENGLISH[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (_, field) => {
    const value = fields[field];
    return String(typeof value === 'function' ? value() : value ?? '');
  });
}

/** Sets a node's text to a message and keeps it translated from then on. */
export function setMessage(node, name, fields = {}) {
  node.dataset.i18n = name;
  parameters.set(node, fields);
  node.textContent = t(name, fields);
}

/** Sets a node's text to plain text (a name, a server's message), no longer translated. */
export function setText(node, text) {
  delete node.dataset.i18n;
  node.textContent = text;
}

/** Calls back whenever the page's language is set, first at `render`. */
export function onLanguageChange(listener) {
  listeners.push(listener);
}

function translateAttributes(node) {
  for (const pair of node.dataset.i18nAttr.split(';')) {
    const [attribute, name] = pair.split(':');
    node.setAttribute(attribute, t(name));
  }
}

/** Translates the whole page. */
export function render() {
  document.documentElement.lang = HTML_LANG[current];
  for (const node of document.querySelectorAll('[data-i18n]')) {
    node.textContent = t(node.dataset.i18n, parameters.get(node));
  }
  document.querySelectorAll('[data-i18n-attr]').forEach(translateAttributes);
  listeners.forEach((listener) => listener());
}

export function switchLanguage() {
  current = current === 'en' ? 'zh' : 'en';
  saveSetting('ui', current);
  render();
}
