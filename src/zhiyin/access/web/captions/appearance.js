// Appearance of captions: from the query string, changed by controls that update it.

import { byId } from '../shared/dom.js';

const SIZES = { min: 12, max: 300, step: 1.15 }; // pixels, and the factor of one press
const LINES = { min: 1, max: 20 };
const CONTROLS_SHOWN = 4000; // milliseconds that the controls stay after the last movement
const BACKGROUNDS = { dark: '#000000', light: '#ffffff' }; // behind text in the other shade

const root = document.documentElement;
const query = new URLSearchParams(window.location.search);
let hideTimer = 0;

function clamped(text, { min, max }) {
  const number = Number(text);
  return text && Number.isFinite(number) ? Math.min(max, Math.max(min, number)) : null;
}

const theme = () => (query.get('theme') === 'light' ? 'light' : 'dark');

function background() {
  const wanted = query.get('background') ?? '';
  return CSS.supports('background-color', wanted) ? wanted : 'transparent';
}

/** Sets a custom property; null: the style sheet's applies. */
function setProperty(name, value) {
  if (value === null) root.style.removeProperty(name);
  else root.style.setProperty(name, value);
}

function apply() {
  const size = clamped(query.get('size'), SIZES);
  const lines = clamped(query.get('lines'), LINES);
  const color = query.get('color') ?? '';
  root.dataset.theme = theme();
  root.classList.toggle('opaque', background() !== 'transparent');
  setProperty('--size', size && `${size}px`);
  setProperty('--lines', lines && String(Math.round(lines)));
  setProperty('--text-color', CSS.supports('color', color) ? color : null);
  setProperty('--background', background());
}

function change(name, value) {
  if (value === null) query.delete(name);
  else query.set(name, value);
  window.history.replaceState(null, '', `?${query}${window.location.hash}`);
  apply();
}

function resize(factor) {
  const now = parseFloat(getComputedStyle(document.body).fontSize);
  change('size', Math.round(clamped(String(now * factor), SIZES)));
}

function addLines(more) {
  const now = Number(getComputedStyle(root).getPropertyValue('--lines'));
  change('lines', clamped(String(now + more), LINES));
}

function switchTheme() {
  const next = theme() === 'dark' ? 'light' : 'dark';
  query.delete('color');
  if (background() !== 'transparent') query.set('background', BACKGROUNDS[next]);
  change('theme', next);
}

function switchBackground() {
  change('background', background() === 'transparent' ? BACKGROUNDS[theme()] : null);
}

/** Shows the controls for a while. */
export function showControls() {
  root.classList.add('controls-shown');
  clearTimeout(hideTimer);
  hideTimer = setTimeout(() => root.classList.remove('controls-shown'), CONTROLS_SHOWN);
}

export function bindAppearance() {
  apply();
  const buttons = {
    smaller: () => resize(1 / SIZES.step),
    larger: () => resize(SIZES.step),
    fewer: () => addLines(-1),
    more: () => addLines(1),
    theme: switchTheme,
    ground: switchBackground,
  };
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener('click', act);
  for (const name of ['pointermove', 'pointerdown', 'keydown']) {
    document.addEventListener(name, showControls);
  }
}
