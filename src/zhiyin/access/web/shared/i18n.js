// The page in English and Chinese. Every translated node carries its message name in
// data-i18n, also when script code sets it, so that a switch re-renders all of them.

import { ENGLISH } from './messages-en.js';
import { CHINESE } from './messages-zh.js';
import { recall, remember } from './storage.js';

const MESSAGES = { en: ENGLISH, zh: CHINESE };
const HTML_LANG = { en: 'en', zh: 'zh-CN' };
const parameters = new WeakMap();
const listeners = [];
let current = startLanguage();

function startLanguage() {
  const kept = recall('ui');
  if (kept in MESSAGES) return kept;
  return (navigator.language || '').toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export const uiLanguage = () => current;

/** The message that carries a server's {message}: English says just that, Chinese explains. */
export function messageFor(code) {
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

/** Puts a message in a node and keeps it translated from then on. */
export function say(node, name, fields = {}) {
  node.dataset.i18n = name;
  parameters.set(node, fields);
  node.textContent = t(name, fields);
}

/** Puts plain text (a name, a server's message) in a node that may have held a message. */
export function sayPlain(node, text) {
  delete node.dataset.i18n;
  node.textContent = text;
}

export function onLanguage(listener) {
  listeners.push(listener);
}

function translateAttributes(node) {
  for (const pair of node.dataset.i18nAttr.split(';')) {
    const [attribute, name] = pair.split(':');
    node.setAttribute(attribute, t(name));
  }
}

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
  remember('ui', current);
  render();
}
